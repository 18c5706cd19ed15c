package e2e

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// trustTasks is the trust policy of a task's role, as people have it in a file.
const trustTasks = `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
  ]
}`

// What stacks make of IAM is made by the aws CLI, survives a kill, and no secret is in the data directory.
func TestIAM(t *testing.T) {
	t.Parallel()
	need(t)
	s := start(t)
	run := func(query string, args ...string) string {
		t.Helper()
		return s.aws(t, append(append([]string{"iam"}, args...), "--output", "text", "--query", query)...)
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	const execution = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
	role := run("Role.Arn", "create-role", "--role-name", "Exec", "--path", "/app/", "--assume-role-policy-document", trustTasks, "--tags", "Key=team,Value=blue")
	want("the role", role[strings.Index(role, ":role"):], ":role/app/Exec")
	run("@", "attach-role-policy", "--role-name", "Exec", "--policy-arn", execution)
	policy := run("Policy.Arn", "create-policy", "--policy-name", "read", "--policy-document", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`)
	run("@", "put-role-policy", "--role-name", "Exec", "--policy-name", "more", "--policy-document", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ssm:GetParameters","Resource":"*"}}`)
	want("the principal, out of the document", run("Role.AssumeRolePolicyDocument.Statement[0].Principal.Service", "get-role", "--role-name", "exec"), "ecs-tasks.amazonaws.com")
	want("an inline policy", run("PolicyDocument.Statement.Action", "get-role-policy", "--role-name", "Exec", "--policy-name", "more"), "ssm:GetParameters")
	code, message := s.awsErr(t, "iam", "delete-role", "--role-name", "Exec")
	want("the deletion of a role with policies", code+" "+message, "DeleteConflict Cannot delete entity, must detach all policies first.")
	code, _ = s.awsErr(t, "iam", "create-role", "--role-name", "a b", "--assume-role-policy-document", trustTasks)
	want("a bad name", code, "ValidationError")
	code, _ = s.awsErr(t, "iam", "enable-mfa-device", "--user-name", "ada", "--serial-number", "arn:aws:iam::1:mfa/x", "--authentication-code1", "123456", "--authentication-code2", "123456")
	want("MFA", code, "InvalidAction")

	key := s.run(t, "user", "add", "ada", "--data-dir", s.dir, "--policy", "read", "--policy", "AmazonECS_FullAccess")
	_, secret, _ := strings.Cut(key, "AWS_SECRET_ACCESS_KEY=")
	secret, _, _ = strings.Cut(secret, "\n")
	if len(secret) != 40 || !strings.Contains(key, "AWS_ACCESS_KEY_ID=AKIA") {
		t.Fatalf("skylift user add printed %q", key)
	}
	want("her policies", run("AttachedPolicies[].PolicyName", "list-attached-user-policies", "--user-name", "ada"), "AmazonECS_FullAccess\tread")
	const password = "Canary-in-the-mine-7"
	run("@", "create-login-profile", "--user-name", "ada", "--password", password)
	want("who has it", run("PolicyUsers[].UserName", "list-entities-for-policy", "--policy-arn", policy), "ada")
	user := run("User.Arn", "get-user", "--user-name", "ada")
	want("a simulation", run("EvaluationResults[].[EvalActionName,EvalDecision]", "simulate-principal-policy", "--policy-source-arn", user, "--action-names", "ecs:RunTask", "s3:GetObject", "s3:PutObject"),
		"ecs:RunTask\tallowed\ns3:GetObject\tallowed\ns3:PutObject\timplicitDeny")

	ada := map[string]string{"AWS_ACCESS_KEY_ID": regexp.MustCompile("AKIA[A-Z0-9]+").FindString(key), "AWS_SECRET_ACCESS_KEY": secret}
	said := s.awsAs(ada, "iam", "delete-user", "--user-name", "ada", "--debug")
	request := regexp.MustCompile(`(?i)x-amzn-requestid': '([0-9a-f-]{36})'`).FindStringSubmatch(said)
	if request == nil {
		t.Fatalf("a denied call says no request id:\n%s", said)
	}
	var why struct{ Caller, Action, Resource, Effect string }
	if err := json.Unmarshal([]byte(s.run(t, "why", "denied", request[1], "--data-dir", s.dir, "--output", "json")), &why); err != nil {
		t.Fatal(err)
	}
	want("why it was denied", strings.Join([]string{why.Caller, why.Action, why.Resource, why.Effect}, " "), user+" iam:DeleteUser "+user+" implicitDeny")

	s.kill9(t)
	s.noSecret(t, secret, password)
	s.serve(t)
	if said, found := s.wrongs(t, request[1]); len(found) != 1 || found[0].Check != "call-denied" || !strings.Contains(said, "aws iam put-user-policy --user-name") {
		t.Errorf("why of a denied request: %s", said)
	}
	if told := s.run(t, "why", "denied", request[1], "--data-dir", s.dir); !strings.Contains(told, "no identity-based policy allows it") || !strings.Contains(told, policy) {
		t.Errorf("after a kill, skylift why denied says %q", told)
	}
	want("after a kill", run("AccessKeyMetadata[].Status", "list-access-keys", "--user-name", "ada"), "Active")
	want("after a kill", run("AttachedPolicies[].PolicyArn", "list-attached-role-policies", "--role-name", "Exec"), execution)
}

// noSecret fails when a file of the data directory, or the log, has one of the secrets.
func (s *skylift) noSecret(t *testing.T, secrets ...string) {
	t.Helper()
	files := 0
	look := func(path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		files++
		for _, secret := range secrets {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%s has a secret in the clear", path)
			}
		}
	}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			look(path)
		}
		return err
	})
	look(s.logs)
	if err != nil || files < 3 {
		t.Errorf("looked at %d files: %v", files, err)
	}
}
