package ecs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
	"github.com/skylift/skylift/internal/store"
)

const aSecret = "arn:aws:secretsmanager:us-west-2:111122223333:secret:db-AbCdEf"

// secretive is a definition of web with a secret and a parameter.
func secretive(change ...func(*sdk.RegisterTaskDefinitionInput)) *sdk.RegisterTaskDefinitionInput {
	in := ecstest.WebDefinition()
	in.ExecutionRoleArn = aws.String(ecstest.ExecutionRole)
	in.ContainerDefinitions[0].Secrets = []types.Secret{
		{Name: aws.String("PASSWORD"), ValueFrom: aws.String(aSecret + ":password::")},
		{Name: aws.String("TOKEN"), ValueFrom: aws.String("/web/token:3")},
	}
	for _, c := range change {
		c(in)
	}
	return in
}

func register(w *ecstest.World, in *sdk.RegisterTaskDefinitionInput) *types.TaskDefinition {
	w.T.Helper()
	out, err := w.API.RegisterTaskDefinition(w.T.Context(), in)
	if err != nil {
		w.T.Fatal(err)
	}
	return out.TaskDefinition
}

// A task gets what its role may read, and its record the versions only.
func TestSecretsReachTheContainer(t *testing.T) {
	var got engine.Secrets
	ecstest.Play(t, fake.Config{Behave: func(c engine.Container) fake.Behaviour {
		got = c.Secrets
		return fake.Runs(c)
	}}, func(w *ecstest.World) {
		w.Inputs.Set(aSecret+":password::", "canary", "v-1")
		w.Inputs.Set("/web/token:3", "a=b", "3")
		register(w, secretive())
		w.Run()
		w.After(ecstest.Sec(5))
		if diff := cmp.Diff([]string{"PASSWORD=canary", "TOKEN=a=b"}, []string(got)); diff != "" {
			w.T.Errorf("secrets (-want +got):\n%s", diff)
		}
		var all []ecs.Task
		err := w.DB.View(w.T.Context(), func(tx store.Tx) (err error) {
			all, err = ecs.Tasks.List(tx, "")
			for k, v := range tx.Scan("", "") {
				if strings.Contains(v.String(), "canary") {
					w.T.Errorf("record %s has the value of a secret", k)
				}
			}
			return err
		})
		want := map[string]string{aSecret + ":password::": "v-1", "/web/token:3": "3"}
		if err != nil || len(all) != 1 || cmp.Diff(want, all[0].Versions) != "" {
			w.T.Errorf("tasks %+v, %v, want the versions %v", all, err, want)
		}
	})
}

// A secret that changes while its task is made, and Skylift has to make it again: all containers then have the later value, unless one has
// begun.
func TestSecretsOfOneTaskAreOfOneVersion(t *testing.T) {
	for call, want := range map[string][]string{"Create": {"first v-1", "later v-2"}, "Start": {"first v-1"}} {
		t.Run(call, func(t *testing.T) {
			var got []string
			var world *ecstest.World
			ecstest.Play(t, fake.Config{Behave: func(c engine.Container) fake.Behaviour {
				got = append(got, strings.TrimPrefix(c.Secrets[0], "PASSWORD="))
				world.Inputs.Set(aSecret, "later", "v-2")
				return fake.Runs(c)
			}}, func(w *ecstest.World) {
				world = w
				w.Inputs.Set(aSecret, "first", "v-1")
				w.Inputs.Set("/web/token:3", "x", "3")
				w.Engine.LoseAnswers(call, 1)
				register(w, secretive(func(in *sdk.RegisterTaskDefinitionInput) {
					in.ContainerDefinitions[0].Secrets[0].ValueFrom = aws.String(aSecret)
				}))
				w.Run()
				w.After(ecstest.Sec(60))
				var tasks []ecs.Task
				err := w.DB.View(w.T.Context(), func(tx store.Tx) (err error) {
					tasks, err = ecs.Tasks.List(tx, "")
					return err
				})
				if err != nil || len(tasks) != 1 || w.Running() != 1 {
					w.T.Fatalf("tasks %+v, %v", tasks, err)
				}
				last, version, _ := strings.Cut(want[len(want)-1], " ")
				if len(got) != len(want) || got[len(got)-1] != last || tasks[0].Versions[aSecret] != version {
					w.T.Errorf("containers were made with %q, the versions are %v, want %q", got, tasks[0].Versions, want)
				}
			})
		})
	}
}

// What the role may not read, or isn't there, stops the task before its image is brought, and the reason says which it is.
func TestSecretsThatCannotBeRead(t *testing.T) {
	const before = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
	for name, c := range map[string]struct {
		change func(*ecstest.World, *sdk.RegisterTaskDefinitionInput)
		want   string
	}{
		"denied": {func(w *ecstest.World, _ *sdk.RegisterTaskDefinitionInput) {
			w.Inputs.Deny = []string{"secretsmanager:GetSecretValue"}
		}, before + "unable to retrieve secret from asm: User: arn:aws:sts::111122223333:assumed-role/exec/TASK is not authorized to perform: secretsmanager:GetSecretValue on resource: " + aSecret +
			":password:: because no identity-based policy allows the secretsmanager:GetSecretValue action (variable PASSWORD of container web)"},
		"no parameter": {func(_ *ecstest.World, in *sdk.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].Secrets[1].ValueFrom = aws.String("none")
		}, before + "unable to retrieve secrets from ssm: invalid parameters: none"},
		"a file that is denied": {func(w *ecstest.World, in *sdk.RegisterTaskDefinitionInput) {
			w.Inputs.Deny, w.Inputs.Files["b/x.env"] = []string{"s3:GetObject"}, "A=1"
			in.ContainerDefinitions[0].EnvironmentFiles = []types.EnvironmentFile{{Type: types.EnvironmentFileTypeS3, Value: aws.String("arn:aws:s3:::b/x.env")}}
		}, "ResourceInitializationError: failed to download env files: service call has been retried 1 time(s): AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/exec/TASK is not authorized to perform: " +
			"s3:GetObject on resource: arn:aws:s3:::b/x.env because no identity-based policy allows the s3:GetObject action (file arn:aws:s3:::b/x.env of container web)"},
		"no file": {func(_ *ecstest.World, in *sdk.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].EnvironmentFiles = []types.EnvironmentFile{{Type: types.EnvironmentFileTypeS3, Value: aws.String("arn:aws:s3:::b/none.env")}}
		}, "ResourceInitializationError: failed to download env files: service call has been retried 1 time(s): NoSuchKey: The specified key does not exist. (file arn:aws:s3:::b/none.env of container web)"},
	} {
		t.Run(name, func(t *testing.T) {
			ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
				w.Inputs.Set(aSecret+":password::", "canary", "v-1")
				w.Inputs.Set("/web/token:3", "x", "3")
				in := secretive()
				c.change(w, in)
				register(w, in)
				w.Run()
				w.After(ecstest.Sec(5))
				task := w.Task()
				id := (*task.TaskArn)[strings.LastIndex(*task.TaskArn, "/")+1:]
				if got := strings.ReplaceAll(aws.ToString(task.StoppedReason), id, "TASK"); got != c.want || task.StopCode != types.TaskStopCodeTaskFailedToStart || task.PullStartedAt != nil {
					w.T.Errorf("%s, pull at %v: %q\nwant %q", task.StopCode, task.PullStartedAt, got, c.want)
				}
			})
		})
	}
}

// RunTask refuses a task whose execution role ECS can't assume; a service's tasks stop, and its events say why.
func TestStrangersExecutionRole(t *testing.T) {
	const words = "ECS was unable to assume the role 'arn:aws:iam::111122223333:role/stranger' that was provided for this task."
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		in := ecstest.WebDefinition()
		in.ExecutionRoleArn = aws.String("stranger")
		register(w, in)
		_, err := w.Launch(func(*sdk.RunTaskInput) {})
		wantError(w.T, err, "ClientException", words)
		w.Service(1)
		w.After(ecstest.Sec(5))
		stopped := w.Tasks(types.DesiredStatusStopped)
		if len(stopped) == 0 || !strings.HasPrefix(*stopped[0].StoppedReason, words) {
			w.T.Errorf("stopped tasks: %+v", stopped)
		}
		if !slices.ContainsFunc(w.Describe().Events, func(e types.ServiceEvent) bool {
			return strings.HasPrefix(*e.Message, "(service web) failed to launch a task with (error "+words)
		}) {
			w.T.Errorf("no event says why: %v", w.Describe().Events)
		}
	})
}

// The container's own environment is over its files, of which the first counts; secrets are beside both. An override has files in place
// of the definition's, and variables over all.
func TestEnvironmentFiles(t *testing.T) {
	var secret, plain []string
	ecstest.Play(t, fake.Config{Behave: func(c engine.Container) fake.Behaviour {
		secret, plain = c.Secrets, c.Env
		return fake.Runs(c)
	}}, func(w *ecstest.World) {
		w.Inputs.Files["b/one.env"] = "# a comment\nA=1\nB=\"two words\" \nNONE\nEMPTY=\nE=file\nA=1 again\r\nECS_AGENT_URI=x\n"
		w.Inputs.Files["b/d/two.env"] = "A=2\nC=3"
		w.Inputs.Files["b/three.env"] = "D=4\nE=5"
		file := func(name string) types.EnvironmentFile {
			return types.EnvironmentFile{Type: types.EnvironmentFileTypeS3, Value: aws.String("arn:aws:s3:::b/" + name)}
		}
		in := ecstest.WebDefinition()
		in.ExecutionRoleArn = aws.String("exec")
		in.ContainerDefinitions[0].Environment = []types.KeyValuePair{{Name: aws.String("E"), Value: aws.String("definition")}}
		in.ContainerDefinitions[0].EnvironmentFiles = []types.EnvironmentFile{file("one.env"), file("d/two.env")}
		if got := register(w, in); *got.ExecutionRoleArn != ecstest.ExecutionRole {
			w.T.Errorf("the role is %s", *got.ExecutionRoleArn)
		}
		w.Run()
		w.After(ecstest.Sec(5))
		want := []string{"A=1 again", `B="two words" `, "C=3"}
		if diff := cmp.Diff(want, secret); diff != "" || !strings.Contains(strings.Join(plain, "\n"), "E=definition") {
			w.T.Errorf("of files (-want +got):\n%s\nof the definition: %q", diff, plain)
		}
		over := &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{
			Name: aws.String("web"), EnvironmentFiles: []types.EnvironmentFile{file("three.env")}, Environment: []types.KeyValuePair{{Name: aws.String("D"), Value: aws.String("override")}},
		}}}
		if _, err := w.API.RunTask(w.T.Context(), &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: ecstest.Placed, Overrides: over}); err != nil {
			w.T.Fatal(err)
		}
		w.After(ecstest.Sec(5))
		if len(secret) != 0 || !strings.Contains(strings.Join(plain, "\n"), "D=override") {
			w.T.Errorf("with overrides: %q, %q", secret, plain)
		}
	})
}

func TestInputsAreChecked(t *testing.T) {
	file := func(name string) []types.EnvironmentFile {
		return []types.EnvironmentFile{{Type: types.EnvironmentFileTypeS3, Value: aws.String(name)}}
	}
	secret := func(name, from string) func(*sdk.RegisterTaskDefinitionInput) {
		return func(in *sdk.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].Secrets = []types.Secret{{Name: &name, ValueFrom: &from}}
		}
	}
	first := func(change func(*types.ContainerDefinition)) func(*sdk.RegisterTaskDefinitionInput) {
		return func(in *sdk.RegisterTaskDefinitionInput) { change(&in.ContainerDefinitions[0]) }
	}
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		for name, c := range map[string]struct {
			change func(*sdk.RegisterTaskDefinitionInput)
			want   string
		}{
			"no role": {func(in *sdk.RegisterTaskDefinitionInput) { in.ExecutionRoleArn = nil }, "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."},
			"no role for a registry": {func(in *sdk.RegisterTaskDefinitionInput) {
				in.ExecutionRoleArn, in.ContainerDefinitions[0].Secrets = nil, nil
				in.ContainerDefinitions[0].RepositoryCredentials = &types.RepositoryCredentials{CredentialsParameter: aws.String(aSecret)}
			}, "Private repository authentication requires that the task definition specify a value for executionRoleArn."},
			"bad role": {func(in *sdk.RegisterTaskDefinitionInput) { in.ExecutionRoleArn = aws.String("arn:aws:iam::1:user/x") }, "Role is not valid."},
			"bad name": {secret("A=B", "x"), "must not be empty or contain '='"},
			"a name twice": {first(func(c *types.ContainerDefinition) {
				c.Environment = []types.KeyValuePair{{Name: aws.String("TOKEN"), Value: aws.String("x")}}
			}), "The secret name must be unique and not shared with any new or existing environment variables set on the container, such as 'TOKEN'."},
			"bad parameter":  {secret("A", "a b"), "The Systems Manager parameter name specified for secret A is invalid."},
			"half an ARN":    {secret("A", aSecret+":key"), "all three or none"},
			"stage and id":   {secret("A", aSecret+":key:AWSCURRENT:id"), "both a version stage and a version id"},
			"another region": {secret("A", "arn:aws:ssm:eu-west-1:111122223333:parameter/a"), "is in eu-west-1, which is not supported by Skylift"},
			"no object":      {first(func(c *types.ContainerDefinition) { c.EnvironmentFiles = file("bucket/x.env") }), "must be the ARN of an object"},
			"another ending": {first(func(c *types.ContainerDefinition) { c.EnvironmentFiles = file("arn:aws:s3:::b/x.txt") }), "must end with .env"},
			"too many files": {first(func(c *types.ContainerDefinition) {
				for range 11 {
					c.EnvironmentFiles = append(c.EnvironmentFiles, file("arn:aws:s3:::b/x.env")...)
				}
			}), "a task definition has at most 10, and this one 11"},
			"a login": {first(func(c *types.ContainerDefinition) {
				c.RepositoryCredentials = &types.RepositoryCredentials{CredentialsParameter: aws.String(aSecret + ":a::")}
			}), "must be the ARN of a secret"},
		} {
			_, err := w.API.RegisterTaskDefinition(w.T.Context(), secretive(c.change))
			w.T.Log(name)
			wantError(w.T, err, "ClientException", c.want)

		}
		_, err := w.Launch(func(in *sdk.RunTaskInput) {
			in.Overrides = &types.TaskOverride{ExecutionRoleArn: aws.String("no role")}
		})
		if err == nil {
			w.T.Error("a bad role over a definition is taken")
		}
	})
}
