"""The check notices what it is there to notice: our own modules, each broken in one way, against the real schema."""

import unittest

from blocks import mistakes


class Mistakes(unittest.TestCase):
    """`schema` and `modules` (path below terraform/ -> text) are put in by the caller."""

    schema: dict = {}
    modules: dict[str, str] = {}

    def broken(self, path: str, good: str, bad: str) -> list[str]:
        text = self.modules[path]
        self.assertEqual(mistakes(text, self.schema), [])
        self.assertIn(good, text)
        return mistakes(text.replace(good, bad, 1), self.schema)

    def test_a_misspelt_argument_is_named_with_the_right_one(self):
        found = self.broken("listener/main.tf", "deregistration_delay =", "deregistration_dely =")
        self.assertEqual(
            found,
            ["aws_lb_target_group.color: there is no argument deregistration_dely; did you mean deregistration_delay?"],
        )

    def test_a_misspelt_argument_deep_in_dynamic_blocks_is_found(self):
        found = self.broken("listener/main.tf", "weight = target_group.value", "wieght = target_group.value")
        self.assertEqual(
            found,
            ["aws_lb_listener.this.default_action.forward.target_group: there is no argument wieght; did you mean weight?"],
        )

    def test_a_missing_argument_is_named(self):
        found = self.broken("dns/main.tf", '  type           = "A"\n', "")
        self.assertEqual(found, ["aws_route53_record.color: the argument type is missing"])

    def test_a_missing_block_is_named(self):
        found = self.broken("listener/main.tf", "  condition {", "  lifecycle {")
        self.assertIn("aws_lb_listener_rule.this: the block condition is missing", found)

    def test_a_block_in_the_wrong_place_is_found(self):
        found = self.broken("dns/main.tf", "  default_action {", "  action {")
        self.assertEqual(
            found,
            [
                "aws_lb_listener.color: there is no block action; did you mean default_action?",
                "aws_lb_listener.color: the block default_action is missing",
            ],
        )

    def test_a_second_block_where_one_is_allowed_is_found(self):
        found = self.broken("dns/main.tf", "  weighted_routing_policy {", "  weighted_routing_policy { weight = 1 }\n  weighted_routing_policy {")
        self.assertEqual(found, ["aws_route53_record.color: only one block weighted_routing_policy is allowed"])

    def test_a_block_written_as_an_argument_is_found(self):
        found = self.broken("fleet/main.tf", "  metadata_options {", "  metadata_options = {")
        self.assertEqual(
            found,
            ["aws_launch_template.this: metadata_options is a block, write `metadata_options { … }` without an equals sign"],
        )

    def test_a_misspelt_name_in_ignore_changes_is_found(self):
        found = self.broken("listener/main.tf", "[default_action]", "[default_actions]")
        self.assertEqual(
            found,
            ["aws_lb_listener.this: ignore_changes names default_actions, which does not exist; did you mean default_action?"],
        )

    def test_an_unknown_resource_is_found(self):
        found = self.broken("dns/main.tf", '"aws_route53_record" "color"', '"aws_route53_recrod" "color"')
        self.assertEqual(found, ["aws_route53_recrod.color: the provider has no such resource"])


def run(schema: dict, modules: dict[str, str]) -> bool:
    Mistakes.schema, Mistakes.modules = schema, modules
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Mistakes)
    return unittest.TextTestRunner(verbosity=0).run(suite).wasSuccessful()
