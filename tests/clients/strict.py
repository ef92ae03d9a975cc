"""A botocore session that holds every answer against botocore's own models.

botocore's parsers drop what they do not know. Here an element, a key or an error code that the model of the operation
does not have is a failure, and so is a member that the model requires and the answer lacks.
"""

import json
import os
from xml.etree import ElementTree

import boto3
import botocore.session

# Errors that every operation of a service can have; the models list only those of the operation itself.
COMMON = {
    "ValidationError", "ValidationException", "AccessDenied", "AccessDeniedException", "UnauthorizedOperation",
    "Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown", "InvalidAction", "MissingParameter",
    "InvalidParameterValue", "UnknownParameter", "SignatureDoesNotMatch", "InvalidClientTokenId", "RequestExpired",
    "MissingAuthenticationToken", "AuthFailure", "NotImplemented", "DryRunOperation",
}  # fmt: skip

# What AWS itself answers although its model does not know it (DescribeInternetGateways in the API reference).
REAL = {("DescribeInternetGateways", "available")}

#: What was asked and answered so far: (service, operation, error code or None).
answered = []
#: What did not fit.
misfits = []


def client(service, endpoint, region="eu-west-1", account="111111111111", **options):
    """A client whose answers are all checked."""
    session = botocore.session.get_session()
    session.set_credentials(account, "secret")
    session.set_config_variable("region", region)
    session.register("response-received", check)
    made = boto3.Session(botocore_session=session).client(service, endpoint_url=endpoint, **options)
    # The check needs the model, which the event does not carry.
    made.meta.events.register("before-call", lambda model, context, **_: context.update(model=model))
    return made


def check(response_dict, parsed_response, context, **_):
    model = context["model"]
    service, operation = model.service_model.service_name, model.name
    where = f"{service}:{operation}"
    if response_dict["status_code"] >= 300:
        code = parsed_response.get("Error", {}).get("Code")
        answered.append((service, operation, code))
        known = {error_code(shape) for shape in model.error_shapes}
        # EC2's and S3's models list no errors at all.
        if service not in ("ec2", "s3") and code not in known | COMMON:
            misfits.append(f"{where}: the error {code} is not one of {sorted(known)}")
        return
    answered.append((service, operation, None))
    shape = model.output_shape
    if shape is None:
        return
    protocol = model.service_model.resolved_protocol
    body = response_dict["body"]
    if protocol in ("query", "ec2", "rest-xml"):
        if "payload" in shape.serialization or not body or not isinstance(body, bytes):
            return
        root = ElementTree.fromstring(body)
        if protocol == "query":
            root = next((child for child in root if local(child) == f"{operation}Result"), ElementTree.Element("none"))
        members = {name: s for name, s in shape.members.items() if "location" not in s.serialization}
        structure(where, root, shape, members, protocol, {"requestId", "RequestId", "ResponseMetadata"})
    elif protocol == "json":
        keys(where, json.loads(body or b"{}"), shape)
    missing(where, parsed_response, shape)


def error_code(shape):
    return shape.metadata.get("error", {}).get("code", shape.name)


def local(element):
    return element.tag.rpartition("}")[2]


def wire_name(name, shape, protocol):
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        name = shape.member.serialization.get("name", name)
    return shape.serialization.get("name", name)


def structure(where, element, shape, members, protocol, ignored=frozenset()):
    by_name = {wire_name(name, member, protocol): member for name, member in members.items()}
    for child in element:
        name = local(child)
        if name in by_name:
            value(f"{where}.{name}", child, by_name[name], protocol)
        elif name not in ignored:
            misfits.append(f"{where}: <{name}> is not a member of {shape.name}: {sorted(by_name)}")


def value(where, element, shape, protocol):
    if shape.type_name == "structure":
        structure(where, element, shape, shape.members, protocol)
    elif shape.type_name == "list" and shape.serialization.get("flattened"):
        value(where, element, shape.member, protocol)
    elif shape.type_name == "list":
        item = shape.member.serialization.get("name", "member")
        for child in element:
            if local(child) != item:
                misfits.append(f"{where}: <{local(child)}> in a list of <{item}>")
            value(f"{where}[]", child, shape.member, protocol)
    elif shape.type_name == "map":
        for entry in element:
            for child in entry:
                if local(child) == shape.value.serialization.get("name", "value"):
                    value(f"{where}{{}}", child, shape.value, protocol)
    elif shape.type_name == "string" and shape.enum and (element.text or "") not in shape.enum:
        if any(operation in where and element.text == text for operation, text in REAL):
            return
        misfits.append(f"{where}: {element.text!r} is not one of {shape.enum}")
    elif shape.type_name == "boolean" and element.text not in ("true", "false"):
        misfits.append(f"{where}: {element.text!r} is no boolean")


def keys(where, found, shape):
    if shape.type_name == "structure":
        for name, inner in found.items():
            if name in shape.members:
                keys(f"{where}.{name}", inner, shape.members[name])
            else:
                misfits.append(f"{where}: {name} is not a member of {shape.name}: {sorted(shape.members)}")
    elif shape.type_name == "list":
        for inner in found:
            keys(f"{where}[]", inner, shape.member)
    elif shape.type_name == "string" and shape.enum and found not in shape.enum:
        misfits.append(f"{where}: {found!r} is not one of {shape.enum}")


def missing(where, parsed, shape):
    """Members that the model requires; also inside lists and structures."""
    if shape.type_name == "structure" and isinstance(parsed, dict):
        for name in shape.required_members:
            if name not in parsed:
                misfits.append(f"{where}: {name} is required in {shape.name} and missing")
        for name, member in shape.members.items():
            if name in parsed:
                missing(f"{where}.{name}", parsed[name], member)
    elif shape.type_name == "list" and isinstance(parsed, list):
        for inner in parsed:
            missing(f"{where}[]", inner, shape.member)


def refused(code, call, **parameters):
    """Makes a call that must be refused with this code."""
    try:
        call(**parameters)
    except call.__self__.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, f"expected {code}: {error}"
        return error.response["Error"].get("Message", "")
    raise AssertionError(f"{call.__name__} was not refused; expected {code}")


def report():
    """Ends the program: with 1 where anything did not fit."""
    operations = {(service, operation) for service, operation, _ in answered}
    print(json.dumps({"answers": len(answered), "operations": len(operations), "misfits": sorted(set(misfits))}))
    os._exit(1 if misfits else 0)
