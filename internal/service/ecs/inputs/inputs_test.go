package inputs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/engine"
)

// world is one role that may do what isn't denied, and secrets.
type world struct {
	denied  string
	secrets map[string]string
	asked   []int // how many parameters at once
}

func (w *world) Begin(context.Context, string, string) (caller.Judge, error) { return w.judge, nil }

func (w *world) judge(_ context.Context, action, resource string, _ map[string][]string) error {
	if action == w.denied {
		return awserr.New("AccessDeniedException", "User: r is not authorized to perform: %s on resource: %s", action, resource)
	}
	return nil
}

func (w *world) Once() Secrets { return w }

func (w *world) Secret(_ context.Context, from string) (Value, error) {
	text, ok := w.secrets[from]
	if !ok {
		return Value{}, awserr.New("ResourceInitializationError", "failed to fetch secret %s", from)
	}
	return Value{Text: text, Version: "v"}, nil
}

func (w *world) Parameters(_ context.Context, from []string) (map[string]Value, error) {
	w.asked = append(w.asked, len(from))
	out := map[string]Value{}
	for _, name := range from {
		out[name] = Value{Text: "of " + name, Version: "1"}
	}
	return out, nil
}

func (w *world) Owns(ref string) bool { return strings.HasPrefix(ref, "own/") }

func (w *world) reader() *Reader { return &Reader{Roles: w, Secrets: w, Parameters: w, Registry: w} }

func of(containers ...types.ContainerDefinition) For {
	return For{Source: "arn:task/1", TaskDefinition: types.TaskDefinition{ExecutionRoleArn: new("arn:aws:iam::1:role/r"), ContainerDefinitions: containers}}
}

func TestParametersAreReadTenAtOnceAndEachOnce(t *testing.T) {
	t.Parallel()
	w := &world{}
	c, same := types.ContainerDefinition{Name: new("a")}, types.ContainerDefinition{Name: new("b")}
	for i := range 23 {
		c.Secrets = append(c.Secrets, types.Secret{Name: new(fmt.Sprint("V", i)), ValueFrom: new(fmt.Sprint("/p/", i))})
	}
	same.Secrets = c.Secrets[:3]
	in, err := w.reader().Read(t.Context(), of(c, same))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{10, 10, 3}, w.asked); diff != "" {
		t.Errorf("read at once (-want +got):\n%s", diff)
	}
	if len(in.Variables["a"]) != 23 || cmp.Diff(in.Variables["b"], engine.Secrets{"V0=of /p/0", "V1=of /p/1", "V2=of /p/2"}) != "" || in.Versions["/p/22"] != "1" {
		t.Errorf("got %q, %q, %v", []string(in.Variables["a"]), []string(in.Variables["b"]), in.Versions)
	}
	if said := fmt.Sprintf("%v %+v %#v", in, in, in); strings.Contains(said, "of /p/") {
		t.Errorf("printed, it says %s", said)
	}
}

// A value that no variable can have is refused here, and not by who makes the container, who would say it.
func TestValueWithNUL(t *testing.T) {
	t.Parallel()
	const from = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s"
	w := &world{secrets: map[string]string{from: "can\x00ary"}}
	_, err := w.reader().Read(t.Context(), of(types.ContainerDefinition{Name: new("a"), Secrets: []types.Secret{{Name: new("V"), ValueFrom: new(from)}}}))
	e, ok := errors.AsType[*Error](err)
	if !ok || !strings.HasSuffix(e.Reason, "the value for variable V of container a has a NUL byte, which no environment variable can have") || strings.Contains(e.Reason, "can\x00") {
		t.Errorf("got %v", err)
	}
}

func TestLogins(t *testing.T) {
	t.Parallel()
	with := func(image, secret string) types.ContainerDefinition {
		c := types.ContainerDefinition{Name: new("a"), Image: &image}
		if secret != "" {
			c.RepositoryCredentials = &types.RepositoryCredentials{CredentialsParameter: &secret}
		}
		return c
	}
	const before = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
	secrets := map[string]string{"good": `{"username":"ada","password":"canary"}`, "bad": `{"username":"canary"}`, "text": "canary"}
	for _, c := range []struct {
		name, denied string
		of           types.ContainerDefinition
		want         engine.Auth
		err          string
	}{
		{"a login", "", with("docker.io/a", "good"), engine.Auth{Username: "ada", Password: "canary"}, ""},
		{"none", "ecr:GetAuthorizationToken", with("docker.io/a", ""), engine.Auth{}, ""},
		{"the own registry", "", with("own/a", "good"), engine.Auth{}, ""},
		{"denied", "ecr:GetAuthorizationToken", with("own/a", ""), engine.Auth{}, before + "unable to retrieve ecr registry auth: service call has been retried 1 time(s): AccessDeniedException: User: r is not authorized to perform: ecr:GetAuthorizationToken on resource: *"},
		{"no secret", "", with("docker.io/a", "none"), engine.Auth{}, before + "unable to get registry auth from asm: failed to fetch secret none (repositoryCredentials of container a)"},
		{"no password", "", with("docker.io/a", "bad"), engine.Auth{}, before + "unable to get registry auth from asm: secret bad is not a JSON object with the members username and password (repositoryCredentials of container a)"},
		{"no JSON", "", with("docker.io/a", "text"), engine.Auth{}, before + "unable to get registry auth from asm: secret text is not a JSON object with the members username and password (repositoryCredentials of container a)"},
	} {
		w := &world{denied: c.denied, secrets: secrets}
		_, got, err := w.reader().Logins(t.Context(), of(c.of))
		said := ""
		if err != nil {
			said = err.Error()
		}
		if got["a"] != c.want || said != c.err {
			t.Errorf("%s: %+v, %s\nwant %+v, %s", c.name, got["a"], said, c.want, c.err)
		}
	}
}
