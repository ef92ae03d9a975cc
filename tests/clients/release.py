"""What a release does, with boto3: network, image, template, load balancer, groups, rule, health, flip, drain, clean up."""

import os
import sys
import time

import strict

endpoint, image, network = os.environ["ENDPOINT"], os.environ["IMAGE"], os.environ["NETWORK"]
a = network.split(".")[1]
ec2 = strict.client("ec2", endpoint)
elb = strict.client("elbv2", endpoint)
dns = strict.client("route53", endpoint)
sts = strict.client("sts", endpoint)


def until(said, check):
    """Polls: the dev cloud runs in real time here."""
    for _ in range(600):
        if check():
            return
        time.sleep(0.05)
    sys.exit(f"never: {said}")


assert sts.get_caller_identity()["Account"] == "111111111111"

vpc = ec2.create_vpc(CidrBlock=f"127.{a}.0.0/20", TagSpecifications=[
    {"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "shop"}]}])["Vpc"]["VpcId"]
assert [v["VpcId"] for v in ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["shop"]}])["Vpcs"]] == [vpc]
zones = [z["ZoneName"] for z in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"127.{a}.{i}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
           for i, zone in enumerate(zones)]
assert len(ec2.describe_subnets(SubnetIds=subnets)["Subnets"]) == 2
firewall = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
ec2.describe_security_groups(GroupIds=[firewall])
assert ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available"
ec2.describe_instance_types(InstanceTypes=["t3.micro"])
template = ec2.create_launch_template(LaunchTemplateName="shop", LaunchTemplateData={
    "ImageId": image, "InstanceType": "t3.micro", "SecurityGroupIds": [firewall]})["LaunchTemplate"]["LaunchTemplateId"]
ec2.create_launch_template_version(LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.small"})
ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")
assert [v["VersionNumber"] for v in ec2.describe_launch_template_versions(
    LaunchTemplateId=template, Versions=["$Latest"])["LaunchTemplateVersions"]] == [2]
assert ec2.describe_launch_templates(LaunchTemplateNames=["shop"])["LaunchTemplates"][0]["DefaultVersionNumber"] == 2

launch = {"LaunchTemplate": {"LaunchTemplateId": template, "Version": "1"}, "MinCount": 2, "MaxCount": 2,
          "SubnetId": subnets[0], "ClientToken": "shop-blue-1"}
launched = ec2.run_instances(**launch)["Instances"]
ids = [i["InstanceId"] for i in launched]
assert [i["InstanceId"] for i in ec2.run_instances(**launch)["Instances"]] == ids, "a token launches once"
strict.refused("IdempotentParameterMismatch", ec2.run_instances, **{**launch, "MaxCount": 3})
ec2.create_tags(Resources=ids, Tags=[{"Key": "color", "Value": "blue"}])
assert len(ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": ids}])["Tags"]) >= 2
ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
ec2.describe_instance_status(InstanceIds=ids, IncludeAllInstances=True)
strict.refused("InvalidInstanceID.NotFound", ec2.describe_instances, InstanceIds=["i-00000000000000000"])
strict.refused("DryRunOperation", ec2.terminate_instances, InstanceIds=ids, DryRun=True)

balancer = elb.create_load_balancer(Name="shop", Subnets=subnets, SecurityGroups=[firewall])["LoadBalancers"][0]
elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[balancer["LoadBalancerArn"]], WaiterConfig={"Delay": 1})
strict.refused("LoadBalancerNotFound", elb.describe_load_balancers, Names=["none"])
groups = {}
for color in ("blue", "green"):
    groups[color] = elb.create_target_group(
        Name=f"shop-{color}", Protocol="HTTP", Port=8080, VpcId=vpc, HealthCheckPath="/healthz",
        HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2)["TargetGroups"][0]["TargetGroupArn"]
    elb.modify_target_group_attributes(TargetGroupArn=groups[color], Attributes=[
        {"Key": "deregistration_delay.timeout_seconds", "Value": "1"}])
    elb.describe_target_group_attributes(TargetGroupArn=groups[color])
elb.describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])
elb.register_targets(TargetGroupArn=groups["blue"], Targets=[{"Id": i} for i in ids])
health = lambda: [t["TargetHealth"].get("Reason") or t["TargetHealth"]["State"] for t in
                  elb.describe_target_health(TargetGroupArn=groups["blue"])["TargetHealthDescriptions"]]
assert health() == ["Target.NotInUse"] * 2


def forward(blue, green):
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": [
        {"TargetGroupArn": groups["blue"], "Weight": blue}, {"TargetGroupArn": groups["green"], "Weight": green}]}}]


listener = elb.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[
    {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}])["Listeners"][0]["ListenerArn"]
rule = elb.create_rule(ListenerArn=listener, Priority=10, Actions=forward(100, 0), Conditions=[
    {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}])["Rules"][0]["RuleArn"]
strict.refused("PriorityInUse", elb.create_rule, ListenerArn=listener, Priority=10, Actions=forward(1, 1), Conditions=[
    {"Field": "host-header", "HostHeaderConfig": {"Values": ["a.example.com"]}}])
elb.get_waiter("target_in_service").wait(TargetGroupArn=groups["blue"], WaiterConfig={"Delay": 1})
flipped = elb.modify_rule(RuleArn=rule, Actions=forward(0, 100))["Rules"][0]["Actions"][0]
assert {t["Weight"] for t in flipped["ForwardConfig"]["TargetGroups"]} == {0, 100} and "TargetGroupArn" not in flipped
elb.modify_rule(RuleArn=rule, Actions=forward(100, 0))
elb.set_rule_priorities(RulePriorities=[{"RuleArn": rule, "Priority": 20}])
assert [r["Priority"] for r in elb.describe_rules(ListenerArn=listener)["Rules"]] == ["20", "default"]
default = next(r["RuleArn"] for r in elb.describe_rules(ListenerArn=listener)["Rules"] if r["IsDefault"])
strict.refused("OperationNotPermitted", elb.modify_rule, RuleArn=default, Actions=forward(1, 0))
strict.refused("ResourceInUse", elb.delete_target_group, TargetGroupArn=groups["blue"])
elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])
elb.add_tags(ResourceArns=[rule], Tags=[{"Key": "owner", "Value": "shop"}])
elb.describe_tags(ResourceArns=[rule, listener])

zone = dns.create_hosted_zone(Name="example.com", CallerReference="1")
zone_id = zone["HostedZone"]["Id"]


def record(color, weight):
    return {"Name": "shop.example.com", "Type": "A", "SetIdentifier": color, "Weight": weight, "TTL": 10,
            "ResourceRecords": [{"Value": "127.0.0.9"}]}


change = dns.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": [
    {"Action": "CREATE", "ResourceRecordSet": record(c, w)} for c, w in (("blue", 1), ("green", 0))]})["ChangeInfo"]["Id"]
dns.get_waiter("resource_record_sets_changed").wait(Id=change, WaiterConfig={"Delay": 1})
strict.refused("InvalidChangeBatch", dns.change_resource_record_sets, HostedZoneId=zone_id, ChangeBatch={"Changes": [
    {"Action": "DELETE", "ResourceRecordSet": record("blue", 7)}]})
assert len(dns.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]) == 4
dns.list_hosted_zones(), dns.list_hosted_zones_by_name(DNSName="example.com"), dns.get_hosted_zone(Id=zone_id)
strict.refused("NoSuchHostedZone", dns.get_hosted_zone, Id="Z0")

elb.deregister_targets(TargetGroupArn=groups["blue"], Targets=[{"Id": i} for i in ids])
until("drained", lambda: not health())
elb.delete_rule(RuleArn=rule)
elb.delete_listener(ListenerArn=listener)
elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])


def deleted(group):
    try:
        elb.delete_target_group(TargetGroupArn=group)
        return True
    except elb.exceptions.ResourceInUseException:
        return False


until("the groups are free", lambda: all(deleted(group) for group in groups.values()))
ec2.terminate_instances(InstanceIds=ids)
ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
strict.report()
