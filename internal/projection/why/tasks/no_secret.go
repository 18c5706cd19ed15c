package tasks

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// NoSecret finds tasks whose secrets, parameters or environment files can't be read.
var NoSecret = finding.Check{
	Number: 21, Name: "no-secret", Title: "A secret, parameter or environment file can't be read",
	Shows: "Tasks stop with \"unable to pull secrets or registry auth\".",
	Known: "What the secret's service said, and what the definition names.",
	Mend:  "Make the secret, correct its name or JSON key, or let the execution role read it.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, noSecret) },
}

// stdin is where the aws CLI reads a secret's value: what is an argument is for all to see.
const stdin = "file:///dev/stdin"

func noSecret(s *snapshot.Snapshot, f failure) (finding.Finding, bool) {
	reason := f.task.Reason
	files := strings.Contains(reason, "failed to download env files")
	if !files && !strings.Contains(reason, "unable to pull secrets or registry auth") || strings.Contains(reason, "unable to assume the role") {
		return finding.Finding{}, false
	}
	name, from := meant(s, f)
	what := "secret " + name
	if files {
		what = "its environment file"
	} else if name == "" {
		what = "its secrets"
	}
	is := f.finding(s, "secret/"+from, fmt.Sprintf("%s can't start because %s can't be read: %s", f.who(), what, last(reason)))
	if from != "" {
		is.About = append(is.About, snapshot.SecretKey(from))
	}
	switch {
	case strings.Contains(reason, "not authorized"), strings.Contains(reason, "AccessDenied"):
		is.Mend = []finding.Mend{allow(s, f, from)}
	case files:
		is.Mend = []finding.Mend{finding.Change("put the file where the definition's environmentFiles says, and check that the bucket's name and the key are right")}
	case strings.Contains(from, ":secretsmanager:"):
		is.Mend = []finding.Mend{finding.Do("make the secret; its value is read from standard input", finding.NewCall("secretsmanager", "CreateSecret", "Name", secretName(from), "SecretString", stdin))}
		if strings.Contains(reason, "key") {
			is.Mend = []finding.Mend{finding.Do("give it that key; the JSON object is read from standard input", finding.NewCall("secretsmanager", "PutSecretValue", "SecretId", secretName(from), "SecretString", stdin))}
		}
	case from != "":
		is.Mend = []finding.Mend{finding.Do("make the parameter; its value is read from standard input", finding.NewCall("ssm", "PutParameter", "Name", parameterName(from), "Type", "SecureString", "Value", stdin))}
	}
	is.Mend = append(is.Mend, again(s, f, "and try again at once")...)
	return is, true
}

// meant is the secret that the reason names, or the only one that there is.
func meant(s *snapshot.Snapshot, f failure) (name, from string) {
	n := 0
	for _, c := range s.Definitions[f.task.TaskDefinition].ContainerDefinitions {
		for _, v := range c.Secrets {
			n++
			name, from = aws.ToString(v.Name), aws.ToString(v.ValueFrom)
			if strings.Contains(f.task.Reason, from) || strings.Contains(f.task.Reason, secretName(from)) || strings.Contains(f.task.Reason, parameterName(from)) {
				return name, from
			}
		}
	}
	if n == 1 {
		return name, from
	}
	return "", ""
}

// secretName is the name or ARN of a secret in a valueFrom, without a JSON key and a version.
func secretName(from string) string {
	_, rest, ok := strings.Cut(from, ":secret:")
	if !ok {
		return from
	}
	name, _, _ := strings.Cut(rest, ":")
	return name
}

// parameterName is the name of a parameter in a valueFrom.
func parameterName(from string) string {
	if _, name, ok := strings.Cut(from, ":parameter"); ok {
		return name
	}
	return from
}

// last is the last sentence of a reason, which the service said.
func last(reason string) string {
	if i := strings.LastIndex(reason, ": "); i >= 0 && len(reason)-i > 12 {
		return strings.TrimSpace(reason[i+2:])
	}
	return reason
}

// allow is the policy that lets the execution role read a secret.
func allow(s *snapshot.Snapshot, f failure, from string) finding.Mend {
	action := "ssm:GetParameters"
	resource := from
	if strings.Contains(from, ":secretsmanager:") {
		action = "secretsmanager:GetSecretValue"
	} else if !strings.HasPrefix(from, "arn:") {
		resource = "arn:aws:ssm:" + s.Region + ":" + s.Account + ":parameter/" + strings.TrimPrefix(from, "/")
	}
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%q,"Resource":%q}]}`, action, resource)
	return finding.Do("let the execution role read it", finding.NewCall("iam", "PutRolePolicy", "RoleName", s.ExecutionRole(f.task), "PolicyName", "read-secrets", "PolicyDocument", policy))
}
