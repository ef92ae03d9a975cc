"""Metrics and alarms, topics, parameters, certificates and credentials, with boto3: the services beside a release."""

import datetime
import os

import strict

endpoint = os.environ["ENDPOINT"]
watch = strict.client("cloudwatch", endpoint)
sns = strict.client("sns", endpoint)
ssm = strict.client("ssm", endpoint)
acm = strict.client("acm", endpoint)
sts = strict.client("sts", endpoint)
now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
hour = datetime.timedelta(hours=1)

blue = [{"Name": "Color", "Value": "blue"}]
watch.put_metric_data(Namespace="Shop", MetricData=[
    {"MetricName": "Orders", "Dimensions": blue, "Values": [1.0, 2.0, 3.0], "Counts": [1.0, 1.0, 2.0], "Unit": "Count"},
    {"MetricName": "Latency", "Dimensions": blue, "Value": 0.25, "Unit": "Seconds", "Timestamp": now}])
# Large requests are compressed.
watch.put_metric_data(Namespace="Shop", MetricData=[{"MetricName": f"M{i:03}", "Value": float(i)} for i in range(1000)])
assert len([m for page in watch.get_paginator("list_metrics").paginate(Namespace="Shop") for m in page["Metrics"]]) == 1002
read = watch.get_metric_data(StartTime=now - hour, EndTime=now + hour, MetricDataQueries=[
    {"Id": "orders", "MetricStat": {"Metric": {"Namespace": "Shop", "MetricName": "Orders", "Dimensions": blue},
                                    "Period": 3600, "Stat": "Sum"}},
    {"Id": "twice", "Expression": "2 * orders", "Label": "twice as many"}])
assert [sum(r["Values"]) for r in read["MetricDataResults"]] == [9.0, 18.0], read
points = watch.get_metric_statistics(Namespace="Shop", MetricName="Latency", Dimensions=blue, StartTime=now - hour,
                                     EndTime=now + hour, Period=60, Statistics=["Average"])["Datapoints"]
assert [(p["Average"], p["Unit"], p["Timestamp"]) for p in points] == [(0.25, "Seconds", now)], points
topic = sns.create_topic(Name="alerts", Tags=[{"Key": "owner", "Value": "shop"}])["TopicArn"]
alarm = {"AlarmName": "slow", "Namespace": "Shop", "MetricName": "Latency", "Dimensions": blue, "Period": 60,
         "ExtendedStatistic": "p99", "EvaluationPeriods": 3, "Threshold": 1.0, "AlarmActions": [topic],
         "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching"}
watch.put_metric_alarm(**alarm, Tags=[{"Key": "owner", "Value": "shop"}])
found = watch.describe_alarms(AlarmNames=["slow"])["MetricAlarms"][0]
assert {name: found[name] for name in alarm} == alarm, found
watch.set_alarm_state(AlarmName="slow", StateValue="ALARM", StateReason="a test")
watch.describe_alarms_for_metric(Namespace="Shop", MetricName="Latency", Dimensions=blue)
assert [i["HistoryItemType"] for i in watch.describe_alarm_history(AlarmName="slow")["AlarmHistoryItems"]] == [
    "Action", "StateUpdate", "ConfigurationUpdate"]
watch.disable_alarm_actions(AlarmNames=["slow"])
watch.tag_resource(ResourceARN=found["AlarmArn"], Tags=[{"Key": "tier", "Value": "web"}])
assert len(watch.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"]) == 2
strict.refused("ResourceNotFound", watch.delete_alarms, AlarmNames=["nobody"])
strict.refused("InvalidParameterValue", watch.put_metric_data, Namespace="AWS/EC2", MetricData=[
    {"MetricName": "CPUUtilization", "Value": 1.0}])
watch.delete_alarms(AlarmNames=["slow"])

assert [t["TopicArn"] for t in sns.list_topics()["Topics"]] == [topic]
sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="Alerts")
assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] == "Alerts"
assert sns.publish(TopicArn=topic, Subject="hello", Message="world", MessageAttributes={
    "size": {"DataType": "Number", "StringValue": "3"}, "raw": {"DataType": "Binary", "BinaryValue": b"\0\1"}})["MessageId"]
arn = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://127.0.0.1:9/hook", ReturnSubscriptionArn=True,
                    Attributes={"RawMessageDelivery": "true"})["SubscriptionArn"]
assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][0]["SubscriptionArn"] == "PendingConfirmation"
assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["RawMessageDelivery"] == "true"
sns.list_subscriptions(), sns.list_tags_for_resource(ResourceArn=topic), sns.unsubscribe(SubscriptionArn=arn)
strict.refused("NotFound", sns.publish, TopicArn=topic + "x", Message="nobody hears")
strict.refused("InvalidParameter", sns.publish, TopicArn=topic, Message="")
sns.delete_topic(TopicArn=topic)

ssm.put_parameter(Name="/shop/color", Value="blue", Type="String", Tags=[{"Key": "owner", "Value": "shop"}])
ssm.put_parameter(Name="/shop/color", Value="green", Overwrite=True)
ssm.put_parameter(Name="/shop/secret", Value="open", Type="SecureString")
ssm.label_parameter_version(Name="/shop/color", ParameterVersion=1, Labels=["before"])
assert ssm.get_parameter(Name="/shop/color:before")["Parameter"]["Value"] == "blue"
assert ssm.get_parameter(Name="/shop/secret")["Parameter"]["Value"] != "open"
assert ssm.get_parameters(Names=["/shop/secret"], WithDecryption=True)["Parameters"][0]["Value"] == "open"
paths = ssm.get_paginator("get_parameters_by_path").paginate(Path="/aws/service/ami-amazon-linux-latest")
assert all(p["Value"].startswith("ami-") for page in paths for p in page["Parameters"])
named = ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Option": "BeginsWith", "Values": ["/shop"]}])
assert [p["Name"] for p in named["Parameters"]] == ["/shop/color", "/shop/secret"]
assert [p["Labels"] for p in ssm.get_parameter_history(Name="/shop/color")["Parameters"]] == [["before"], []]
ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/shop/color")
strict.refused("ParameterAlreadyExists", ssm.put_parameter, Name="/shop/color", Value="red", Type="String")
strict.refused("ParameterNotFound", ssm.delete_parameter, Name="/shop/none")
ssm.delete_parameters(Names=["/shop/color", "/shop/secret"])

certificate = acm.request_certificate(DomainName="shop.example.com", ValidationMethod="DNS")["CertificateArn"]
detail = acm.describe_certificate(CertificateArn=certificate)["Certificate"]
assert (detail["Status"], detail["DomainName"], detail["InUseBy"]) == ("ISSUED", "shop.example.com", [])
acm.get_waiter("certificate_validated").wait(CertificateArn=certificate, WaiterConfig={"MaxAttempts": 1})
assert acm.get_certificate(CertificateArn=certificate)["Certificate"].startswith("-----BEGIN CERTIFICATE-----")
acm.add_tags_to_certificate(CertificateArn=certificate, Tags=[{"Key": "owner", "Value": "shop"}])
assert acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"][0]["InUse"] is False
acm.list_tags_for_certificate(CertificateArn=certificate)
strict.refused("ValidationException", acm.import_certificate, Certificate=b"x", PrivateKey=b"y")
acm.delete_certificate(CertificateArn=certificate)
strict.refused("ResourceNotFoundException", acm.describe_certificate, CertificateArn=certificate)

role = sts.assume_role(RoleArn="arn:aws:iam::111111111111:role/deployer", RoleSessionName="release")
assert role["AssumedRoleUser"]["Arn"] == "arn:aws:sts::111111111111:assumed-role/deployer/release"
assert sts.get_access_key_info(AccessKeyId=role["Credentials"]["AccessKeyId"])["Account"] == "111111111111"
assert sts.get_session_token(DurationSeconds=900)["Credentials"]["Expiration"] > now
strict.refused("ValidationError", sts.get_session_token, DurationSeconds=129601)
strict.report()
