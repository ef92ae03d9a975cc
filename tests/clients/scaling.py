"""An Auto Scaling group with boto3: made, filled, changed, taken down."""

import os
import time

import strict

endpoint, image, network = os.environ["ENDPOINT"], os.environ["IMAGE"], os.environ["NETWORK"]
a = network.split(".")[1]
ec2, scaling = strict.client("ec2", endpoint), strict.client("autoscaling", endpoint)

vpc = ec2.create_vpc(CidrBlock=f"127.{a}.0.0/20")["Vpc"]["VpcId"]
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"127.{a}.1.0/24")["Subnet"]["SubnetId"]
ec2.create_launch_template(LaunchTemplateName="asg", LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro"})
scaling.create_auto_scaling_group(AutoScalingGroupName="shop", MinSize=1, MaxSize=3, VPCZoneIdentifier=subnet,
                                  LaunchTemplate={"LaunchTemplateName": "asg", "Version": "$Latest"})
strict.refused("AlreadyExists", scaling.create_auto_scaling_group, AutoScalingGroupName="shop", MinSize=1, MaxSize=3,
               VPCZoneIdentifier=subnet, LaunchTemplate={"LaunchTemplateName": "asg", "Version": "$Latest"})
group = lambda: scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["shop"])["AutoScalingGroups"]
for _ in range(600):
    if [i["LifecycleState"] for i in group()[0]["Instances"]] == ["InService"]:
        break
    time.sleep(0.05)
else:
    raise SystemExit(f"never in service: {group()}")
scaling.describe_auto_scaling_instances()
scaling.suspend_processes(AutoScalingGroupName="shop", ScalingProcesses=["AlarmNotification"])
scaling.resume_processes(AutoScalingGroupName="shop", ScalingProcesses=["AlarmNotification"])
scaling.put_lifecycle_hook(AutoScalingGroupName="shop", LifecycleHookName="h", LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING")
scaling.describe_lifecycle_hooks(AutoScalingGroupName="shop"), scaling.delete_lifecycle_hook(AutoScalingGroupName="shop", LifecycleHookName="h")
scaling.put_scheduled_update_group_action(AutoScalingGroupName="shop", ScheduledActionName="night", Recurrence="0 22 * * *", MinSize=0)
scaling.describe_scheduled_actions(AutoScalingGroupName="shop")
scaling.describe_policies(AutoScalingGroupName="shop"), scaling.describe_instance_refreshes(AutoScalingGroupName="shop")
scaling.describe_scaling_activities(AutoScalingGroupName="shop"), scaling.describe_account_limits()
strict.refused("ResourceInUse", scaling.delete_auto_scaling_group, AutoScalingGroupName="shop")
scaling.delete_auto_scaling_group(AutoScalingGroupName="shop", ForceDelete=True)
for _ in range(600):
    if not group():
        break
    time.sleep(0.05)
else:
    raise SystemExit(f"never deleted: {group()}")
strict.report()
