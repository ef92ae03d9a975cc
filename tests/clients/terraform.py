"""The calls that Terraform's AWS provider makes for the resources around a load balancer: create, read back, plan again.

Written after the provider's source: what it asks after each creation it asks here, so that an operation or a parameter
that the dev cloud refuses shows up before a user's `terraform apply` does.
"""

import os

import strict

endpoint, image, network = os.environ["ENDPOINT"], os.environ["IMAGE"], os.environ["NETWORK"]
a = network.split(".")[1]
ec2, elb = strict.client("ec2", endpoint), strict.client("elbv2", endpoint)
dns, s3 = strict.client("route53", endpoint), strict.client("s3", endpoint)
scaling, sts = strict.client("autoscaling", endpoint), strict.client("sts", endpoint)
by = lambda name, *values: [{"Name": name, "Values": list(values)}]
tagged = lambda kind: [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": "tf"}]}]

# provider
sts.get_caller_identity()
ec2.describe_account_attributes(AttributeNames=["supported-platforms"])

# aws_vpc
vpc = ec2.create_vpc(CidrBlock=f"127.{a}.0.0/20", InstanceTenancy="default", AmazonProvidedIpv6CidrBlock=False,
                     TagSpecifications=tagged("vpc"))["Vpc"]["VpcId"]
ec2.describe_vpcs(VpcIds=[vpc])
ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
for attribute in ("enableDnsHostnames", "enableDnsSupport", "enableNetworkAddressUsageMetrics"):
    ec2.describe_vpc_attribute(VpcId=vpc, Attribute=attribute)
main = [*by("vpc-id", vpc), *by("default", "true")]
ec2.describe_network_acls(Filters=main)
ec2.describe_route_tables(Filters=[*by("association.main", "true"), *by("vpc-id", vpc)])
ec2.describe_security_groups(Filters=[*by("group-name", "default"), *by("vpc-id", vpc)])

# aws_internet_gateway, aws_route_table
gateway = ec2.create_internet_gateway(TagSpecifications=tagged("internet-gateway"))["InternetGateway"]["InternetGatewayId"]
ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
ec2.describe_internet_gateways(InternetGatewayIds=[gateway])

# aws_subnet
subnets = []
for i, zone in enumerate("ab"):
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"127.{a}.{i}.0/24", AvailabilityZone=f"eu-west-1{zone}",
                               TagSpecifications=tagged("subnet"))["Subnet"]["SubnetId"]
    ec2.describe_subnets(SubnetIds=[subnet])
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    subnets.append(subnet)

# aws_security_group and its rules
firewall = ec2.create_security_group(GroupName="tf", Description="Managed by Terraform", VpcId=vpc,
                                     TagSpecifications=tagged("security-group"))["GroupId"]
ec2.describe_security_groups(GroupIds=[firewall])
anywhere = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "web"}]}
ec2.revoke_security_group_egress(GroupId=firewall, IpPermissions=[
    {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
ec2.authorize_security_group_ingress(GroupId=firewall, IpPermissions=[anywhere])
ec2.authorize_security_group_egress(GroupId=firewall, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
ec2.describe_security_group_rules(Filters=by("group-id", firewall))

# aws_launch_template
template = ec2.create_launch_template(ClientToken="tf-1", LaunchTemplateName="tf-shop", TagSpecifications=tagged("launch-template"),
                                      LaunchTemplateData={
    "ImageId": image, "InstanceType": "t3.micro", "SecurityGroupIds": [firewall], "UserData": "IyEvYmluL3No",
    "Monitoring": {"Enabled": False}, "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
    "TagSpecifications": tagged("instance")})["LaunchTemplate"]["LaunchTemplateId"]
ec2.describe_launch_templates(LaunchTemplateIds=[template])
ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["1"])

# aws_lb
balancer = elb.create_load_balancer(
    Name="tf", Type="application", Scheme="internal", IpAddressType="ipv4", SecurityGroups=[firewall],
    SubnetMappings=[{"SubnetId": s} for s in subnets], Tags=[{"Key": "Name", "Value": "tf"}])["LoadBalancers"][0]["LoadBalancerArn"]
elb.describe_load_balancers(LoadBalancerArns=[balancer])
elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[{"Key": k, "Value": v} for k, v in {
    "deletion_protection.enabled": "false", "access_logs.s3.enabled": "false", "idle_timeout.timeout_seconds": "60",
    "client_keep_alive.seconds": "3600", "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false", "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false", "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append", "routing.http2.enabled": "true", "waf.fail_open.enabled": "false",
}.items()])
elb.describe_load_balancer_attributes(LoadBalancerArn=balancer)
elb.describe_tags(ResourceArns=[balancer])

# aws_lb_target_group
groups = []
for color in ("blue", "green"):
    group = elb.create_target_group(
        Name=f"tf-{color}", Port=8080, Protocol="HTTP", ProtocolVersion="HTTP1", VpcId=vpc, TargetType="instance",
        IpAddressType="ipv4", HealthCheckEnabled=True, HealthCheckIntervalSeconds=30, HealthCheckPath="/",
        HealthCheckPort="traffic-port", HealthCheckProtocol="HTTP", HealthCheckTimeoutSeconds=5, HealthyThresholdCount=3,
        UnhealthyThresholdCount=3, Matcher={"HttpCode": "200"}, Tags=[{"Key": "Name", "Value": color}],
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.describe_target_groups(TargetGroupArns=[group])
    elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[{"Key": k, "Value": v} for k, v in {
        "deregistration_delay.timeout_seconds": "60", "slow_start.duration_seconds": "0", "stickiness.enabled": "false",
        "stickiness.type": "lb_cookie", "stickiness.lb_cookie.duration_seconds": "86400",
        "load_balancing.algorithm.type": "round_robin", "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
        "load_balancing.algorithm.anomaly_mitigation": "off",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
        "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    }.items()])
    elb.describe_target_group_attributes(TargetGroupArn=group)
    elb.describe_tags(ResourceArns=[group])
    groups.append(group)

# aws_lb_listener, aws_lb_listener_rule
shares = lambda blue, green: [{"Type": "forward", "Order": 1, "ForwardConfig": {
    "TargetGroups": [{"TargetGroupArn": g, "Weight": w} for g, w in zip(groups, (blue, green))],
    "TargetGroupStickinessConfig": {"Enabled": False, "DurationSeconds": 1}}}]
listener = elb.create_listener(LoadBalancerArn=balancer, Port=80, Protocol="HTTP", DefaultActions=shares(1, 0),
                               Tags=[{"Key": "Name", "Value": "tf"}])["Listeners"][0]["ListenerArn"]
elb.describe_listeners(ListenerArns=[listener])
elb.describe_listener_attributes(ListenerArn=listener)
elb.describe_tags(ResourceArns=[listener])
rule = elb.create_rule(ListenerArn=listener, Priority=1, Actions=shares(1, 0), Conditions=[
    {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}},
    {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Test", "Values": ["1"]}},
    {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}},
    {"Field": "source-ip", "SourceIpConfig": {"Values": ["127.0.0.0/8"]}},
    {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}}])["Rules"][0]["RuleArn"]
elb.describe_rules(RuleArns=[rule])
elb.describe_tags(ResourceArns=[rule])

# aws_autoscaling_group
scaling.create_auto_scaling_group(
    AutoScalingGroupName="tf", MinSize=0, MaxSize=2, DesiredCapacity=0, VPCZoneIdentifier=",".join(subnets),
    LaunchTemplate={"LaunchTemplateId": template, "Version": "1"}, TargetGroupARNs=[groups[1]], HealthCheckType="ELB",
    HealthCheckGracePeriod=300, NewInstancesProtectedFromScaleIn=False,
    Tags=[{"ResourceId": "tf", "ResourceType": "auto-scaling-group", "Key": "Name", "Value": "tf", "PropagateAtLaunch": True}])
scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["tf"])
scaling.describe_warm_pool(AutoScalingGroupName="tf")
scaling.describe_scaling_activities(AutoScalingGroupName="tf")

# aws_route53_zone, aws_route53_record
zone = dns.create_hosted_zone(Name="tf.example.com", CallerReference="terraform-1", HostedZoneConfig={"Comment": "tf"})
zone_id = zone["HostedZone"]["Id"]
dns.get_change(Id=zone["ChangeInfo"]["Id"])
dns.get_hosted_zone(Id=zone_id)
dns.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id.rpartition("/")[2])
facts = elb.describe_load_balancers(LoadBalancerArns=[balancer])["LoadBalancers"][0]
dns.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Comment": "Managed by Terraform", "Changes": [
    {"Action": "UPSERT", "ResourceRecordSet": {"Name": "w.tf.example.com", "Type": "A", "SetIdentifier": "blue", "Weight": 1,
        "AliasTarget": {"HostedZoneId": facts["CanonicalHostedZoneId"], "DNSName": facts["DNSName"],
                        "EvaluateTargetHealth": True}}}]})
dns.list_resource_record_sets(HostedZoneId=zone_id, StartRecordName="w.tf.example.com", StartRecordType="A",
                              StartRecordIdentifier="blue", MaxItems="1")

# the journal's bucket
s3.create_bucket(Bucket="tf-journal", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
s3.head_bucket(Bucket="tf-journal")
s3.put_bucket_versioning(Bucket="tf-journal", VersioningConfiguration={"Status": "Enabled"})
s3.get_bucket_versioning(Bucket="tf-journal")
s3.get_bucket_location(Bucket="tf-journal")

# destroy, in the provider's order
scaling.update_auto_scaling_group(AutoScalingGroupName="tf", MinSize=0, MaxSize=0, DesiredCapacity=0)
scaling.delete_auto_scaling_group(AutoScalingGroupName="tf", ForceDelete=False)
elb.delete_rule(RuleArn=rule)
elb.delete_listener(ListenerArn=listener)
elb.delete_load_balancer(LoadBalancerArn=balancer)
ec2.describe_network_interfaces(Filters=[*by("attachment.instance-owner-id", "amazon-elb"), *by("description", "ELB app/tf")])
strict.refused("LoadBalancerNotFound", elb.describe_load_balancers, LoadBalancerArns=[balancer])
ec2.delete_launch_template(LaunchTemplateId=template)
ec2.delete_security_group(GroupId=firewall)
for subnet in subnets:
    ec2.delete_subnet(SubnetId=subnet)
ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
ec2.delete_internet_gateway(InternetGatewayId=gateway)
ec2.delete_vpc(VpcId=vpc)
strict.refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[vpc])
strict.report()
