"""Route 53 as boto3 speaks it: zones, batches with AWS's words for what is wrong, health checks, tags, limits."""

import os

import strict
from botocore.exceptions import ClientError

dns = strict.client("route53", os.environ["ENDPOINT"])


def refused(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise SystemExit(f"{call} was not refused")


made = dns.create_hosted_zone(Name="example.com", CallerReference="1", HostedZoneConfig={"Comment": "shop"})
zone = made["HostedZone"]["Id"]
assert len(made["DelegationSet"]["NameServers"]) == 4 and made["HostedZone"]["ResourceRecordSetCount"] == 2
assert refused(dns.create_hosted_zone, Name="example.com", CallerReference="1")[0] == "HostedZoneAlreadyExists"
dns.get_waiter("resource_record_sets_changed").wait(Id=made["ChangeInfo"]["Id"], WaiterConfig={"Delay": 0.05})
assert [each["Name"] for each in dns.list_hosted_zones_by_name()["HostedZones"]] == ["example.com."]
assert dns.get_hosted_zone_count()["HostedZoneCount"] == 1
# Ansible asks this of every zone that it finds.
signing = dns.get_dnssec(HostedZoneId=zone)
assert (signing["Status"]["ServeSignature"], signing["KeySigningKeys"]) == ("NOT_SIGNING", [])
assert refused(dns.get_dnssec, HostedZoneId="Z0")[0] == "NoSuchHostedZone"
assert dns.update_hosted_zone_comment(Id=zone, Comment="other")["HostedZone"]["Config"]["Comment"] == "other"
assert dns.list_hosted_zones(HostedZoneType="PrivateHostedZone")["HostedZones"] == []


def record(name, value, kind="A", **more):
    return {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}], **more}


def change(*changes):
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    return dns.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


blue = record("shop.example.com", "192.0.2.1", SetIdentifier="blue", Weight=255)
green = record("shop.example.com", "192.0.2.2", SetIdentifier="green", Weight=0)
change(("CREATE", blue), ("CREATE", green), ("CREATE", record("one.example.com", "192.0.2.3")))
answer = dns.test_dns_answer(HostedZoneId=zone, RecordName="shop.example.com", RecordType="A")
assert (answer["ResponseCode"], answer["RecordData"]) == ("NOERROR", ["192.0.2.1"])


def wrong(*changes):
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    return refused(dns.change_resource_record_sets, HostedZoneId=zone, ChangeBatch=batch)


for changes, said in [
    ([("CREATE", blue)], "Tried to create resource record set [name='shop.example.com.', type='A', set-identifier='blue'] "
     "but it already exists"),
    ([("DELETE", record("no.example.com", "192.0.2.1"))],
     "Tried to delete resource record set [name='no.example.com.', type='A'] but it was not found"),
    ([("DELETE", record("one.example.com", "192.0.2.9"))], "Tried to delete resource record set [name='one.example.com.', "
     "type='A'] but the values provided do not match the current values"),
    ([("CREATE", record("example.org", "192.0.2.1"))],
     "RRSet with DNS name example.org. is not permitted in zone example.com."),
    ([("CREATE", record("shop.example.com", "192.0.2.1"))], "RRSet with DNS name shop.example.com., type A cannot be created "
     "as other RRSets exist with the same name and type."),
    ([("CREATE", record("one.example.com", "192.0.2.1", SetIdentifier="x", Weight=1))], "RRSet with DNS name "
     "one.example.com., type A, SetIdentifier x cannot be created as a non-weighted set exists with the same name and type."),
    ([("CREATE", record("example.com", "www.example.net", "CNAME"))],
     "RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone example.com."),
    ([("CREATE", record("new.example.com", "192.0.2"))], "Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address "
     "(Value is not a valid IPv4 address) encountered with '192.0.2''"),
    ([("UPSERT", record("new.example.com", "192.0.2.1"))] * 2,
     "The request contains an invalid set of changes for a resource record set 'A new.example.com.'"),
]:
    assert wrong(*changes) == ("InvalidChangeBatch", f"[{said}]"), (wrong(*changes), said)
# All that is wrong comes in one list, and nothing was done.
code, said = wrong(("CREATE", record("good.example.com", "192.0.2.1")), ("CREATE", blue), ("CREATE", green))
assert said.count("but it already exists") == 2, said
names = [each["Name"] for each in dns.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]]
assert names == ["example.com."] * 2 + ["one.example.com."] + ["shop.example.com."] * 2, names
assert wrong(*[("UPSERT", record(f"n{n}.example.com", "192.0.2.1")) for n in range(501)])[1] == (
    "[Number of records limit of 1000 exceeded.]")
failover = record("f.example.com", "192.0.2.1", SetIdentifier="x", Failover="PRIMARY")
code, said = wrong(("CREATE", failover))
assert code == "InvalidInput" and "Failover" in said, said

# The last time to live written is that of all weighted records of the name.
change(("UPSERT", {**green, "TTL": 5}))
sets = dns.list_resource_record_sets(HostedZoneId=zone, StartRecordName="shop.example.com", StartRecordType="A")
assert [each["TTL"] for each in sets["ResourceRecordSets"]] == [5, 5]

config = {"Type": "TCP", "IPAddress": "127.0.0.1", "Port": 9, "RequestInterval": 10}
check = dns.create_health_check(CallerReference="c", HealthCheckConfig=config)["HealthCheck"]["Id"]
assert dns.create_health_check(CallerReference="c", HealthCheckConfig=config)["HealthCheck"]["Id"] == check
assert refused(dns.create_health_check, CallerReference="c", HealthCheckConfig={**config, "Port": 10})[0] == (
    "HealthCheckAlreadyExists")
code, said = refused(dns.create_health_check, CallerReference="d", HealthCheckConfig={"Type": "CALCULATED"})
assert code == "InvalidInput" and "CALCULATED" in said
assert dns.get_health_check(HealthCheckId=check)["HealthCheck"]["HealthCheckConfig"]["FailureThreshold"] == 3
assert dns.get_health_check_count()["HealthCheckCount"] == len(dns.list_health_checks()["HealthChecks"]) == 1
dns.get_health_check_status(HealthCheckId=check)
dns.get_health_check_last_failure_reason(HealthCheckId=check)
assert dns.update_health_check(HealthCheckId=check, Inverted=True)["HealthCheck"]["HealthCheckVersion"] == 2

of = {"ResourceType": "hostedzone", "ResourceId": zone.removeprefix("/hostedzone/")}
dns.change_tags_for_resource(**of, AddTags=[{"Key": "team", "Value": "shop"}, {"Key": "x", "Value": ""}])
dns.change_tags_for_resource(**of, RemoveTagKeys=["x"])
assert dns.list_tags_for_resource(**of)["ResourceTagSet"]["Tags"] == [{"Key": "team", "Value": "shop"}]
many = dns.list_tags_for_resources(ResourceType="healthcheck", ResourceIds=[check])
assert many["ResourceTagSets"][0]["Tags"] == []
assert dns.get_hosted_zone_limit(Type="MAX_RRSETS_BY_ZONE", HostedZoneId=zone)["Count"] == 5
assert dns.get_account_limit(Type="MAX_HOSTED_ZONES_BY_OWNER")["Limit"]["Value"] == 500

code, said = refused(dns.create_reusable_delegation_set, CallerReference="x")
assert "CreateReusableDelegationSet" in said, said
assert refused(dns.delete_hosted_zone, Id=zone)[0] == "HostedZoneNotEmpty"
change(("DELETE", {**blue, "TTL": 5}), ("DELETE", {**green, "TTL": 5}), ("DELETE", record("one.example.com", "192.0.2.3")))
dns.delete_health_check(HealthCheckId=check)
dns.delete_hosted_zone(Id=zone)
assert refused(dns.get_hosted_zone, Id=zone)[0] == "NoSuchHostedZone"
strict.report()
