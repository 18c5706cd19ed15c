data "aws_iam_account_alias" "it" {
  depends_on = [aws_iam_account_alias.it]
}

data "aws_iam_user" "it" {
  user_name = aws_iam_user.it.name
}

data "aws_iam_users" "it" {
  name_regex = "^terraform-"
  depends_on = [aws_iam_user.it]
}

data "aws_iam_access_keys" "it" {
  user       = aws_iam_user.exclusive.name
  depends_on = [aws_iam_access_key.it]
}

data "aws_iam_group" "it" {
  group_name = aws_iam_group.it.name
  depends_on = [aws_iam_group_membership.it]
}

data "aws_iam_role" "it" {
  name = aws_iam_role.it.name
}

data "aws_iam_roles" "it" {
  path_prefix = "/of/terraform/"
  depends_on  = [aws_iam_role.it]
}

data "aws_iam_policy" "it" {
  arn = aws_iam_policy.it.arn
}

data "aws_iam_policy" "by_name" {
  name       = "ReadOnlyAccess"
  depends_on = [aws_iam_policy.it]
}

data "aws_iam_instance_profile" "it" {
  name = aws_iam_instance_profile.it.name
}

data "aws_iam_instance_profiles" "it" {
  role_name  = aws_iam_role.named.name
  depends_on = [aws_iam_instance_profile.it]
}

data "aws_iam_openid_connect_provider" "it" {
  arn = aws_iam_openid_connect_provider.it.arn
}

data "aws_iam_principal_policy_simulation" "it" {
  policy_source_arn = aws_iam_user.it.arn
  action_names      = ["iam:ListUsers"]
  depends_on        = [aws_iam_policy_attachment.it]
  lifecycle {
    postcondition {
      condition     = !self.all_allowed
      error_message = "what is denied is allowed"
    }
  }
}

data "aws_iam_session_context" "it" {
  arn = aws_iam_role.it.arn
}

output "imports" {
  value = {
    "aws_iam_user.it"                               = aws_iam_user.it.name
    "aws_iam_user_policy.it"                        = aws_iam_user_policy.it.id
    "aws_iam_user_policy_attachment.it"             = "${aws_iam_user.it.name}/${aws_iam_user_policy_attachment.it.policy_arn}"
    "aws_iam_user.exclusive"                        = aws_iam_user.exclusive.name
    "aws_iam_user_policy.exclusive"                 = aws_iam_user_policy.exclusive.id
    "aws_iam_user_policies_exclusive.it"            = aws_iam_user.exclusive.name
    "aws_iam_user_policy_attachment.exclusive"      = "${aws_iam_user.exclusive.name}/${aws_iam_policy.it.arn}"
    "aws_iam_user_policy_attachments_exclusive.it"  = aws_iam_user.exclusive.name
    "aws_iam_access_key.it"                         = aws_iam_access_key.it.id
    "aws_iam_group.it"                              = aws_iam_group.it.name
    "aws_iam_group_policy.it"                       = aws_iam_group_policy.it.id
    "aws_iam_group_policy_attachment.it"            = "${aws_iam_group.it.name}/${aws_iam_policy.it.arn}"
    "aws_iam_group.other"                           = aws_iam_group.other.name
    "aws_iam_group_policy.exclusive"                = aws_iam_group_policy.exclusive.id
    "aws_iam_group_policies_exclusive.it"           = aws_iam_group.other.name
    "aws_iam_group_policy_attachments_exclusive.it" = aws_iam_group.other.name
    "aws_iam_user_group_membership.it"              = "${aws_iam_user.it.name}/${aws_iam_group.other.name}"
    "aws_iam_role.it"                               = aws_iam_role.it.name
    "aws_iam_role.named"                            = aws_iam_role.named.name
    "aws_iam_role_policy.it"                        = aws_iam_role_policy.it.id
    "aws_iam_role_policies_exclusive.it"            = aws_iam_role.it.name
    "aws_iam_role_policy_attachment.it"             = "${aws_iam_role.it.name}/${aws_iam_role_policy_attachment.it.policy_arn}"
    "aws_iam_role_policy_attachments_exclusive.it"  = aws_iam_role.it.name
    "aws_iam_instance_profile.it"                   = aws_iam_instance_profile.it.name
    "aws_iam_service_linked_role.it"                = aws_iam_service_linked_role.it.arn
    "aws_iam_openid_connect_provider.it"            = aws_iam_openid_connect_provider.it.arn
    "aws_iam_policy.it"                             = aws_iam_policy.it.arn
    "aws_iam_policy.attached"                       = aws_iam_policy.attached.arn
    "aws_iam_account_alias.it"                      = aws_iam_account_alias.it.account_alias
    "aws_iam_account_password_policy.it"            = "iam-account-password-policy"
  }
}
