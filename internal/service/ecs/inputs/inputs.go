// Package inputs reads what a task is started with beside its images, as the task's execution role: values of secrets and
// parameters, environment files, and logins at registries.
//
// All is read anew for each task. What it read is in no error, and whoever prints it sees how much it is.
package inputs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs/role"
)

// Roles is IAM.
type Roles interface {
	// Begin begins a session of a role for a task or service, which has an ARN. The judge is nil when the role can't be assumed.
	Begin(ctx context.Context, role, source string) (caller.Judge, error)
}

// Secrets is Secrets Manager.
type Secrets interface {
	// Once returns one for one task: what several valueFroms have of one version of a secret is of one reading.
	Once() Secrets
	// Secret returns the value that a valueFrom names, as the judge in ctx lets it. Errors: an API's, which says why not.
	Secret(ctx context.Context, valueFrom string) (Value, error)
}

// Parameters is Systems Manager's Parameter Store.
type Parameters interface {
	// Parameters returns the values that valueFroms name, as the judge in ctx lets it. Errors: an API's, which says why not.
	Parameters(ctx context.Context, valueFroms []string) (map[string]Value, error)
}

// Objects is S3.
type Objects interface {
	// Object returns an object, as the judge in ctx lets it. Errors: an API's, which says why not.
	Object(ctx context.Context, bucket, key string) ([]byte, error)
}

// Registry is the own registry of images.
type Registry interface {
	// Owns says whether an image is there.
	Owns(ref string) bool
}

// Value is a value with the id of its version.
type Value struct{ Text, Version string }

// String leaves the text out.
func (v Value) String() string { return "version " + v.Version }

// GoString leaves the text out.
func (v Value) GoString() string { return v.String() }

// Reader reads inputs.
type Reader struct {
	Roles      Roles
	Secrets    Secrets
	Parameters Parameters
	Objects    Objects
	Registry   Registry
}

// For says what the inputs are for.
type For struct {
	Source string // ARN of the task or service, for which the role's session is named
	types.TaskDefinition
}

// Inputs are what a task's containers get.
type Inputs struct {
	Variables map[string]engine.Secrets // by container
	Versions  map[string]string         // of the secrets and parameters, by what the definition calls them
}

// Error says why a task can't have its inputs, fit for a stoppedReason.
type Error struct{ Reason string }

func (e *Error) Error() string { return e.Reason }

// How reasons begin
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html).
const (
	initialization = "ResourceInitializationError: "
	resources      = initialization + "unable to pull secrets or registry auth: execution resource retrieval failed: "
	ofSecrets      = resources + "unable to retrieve secret from asm: "
	ofParameters   = resources + "unable to retrieve secrets from ssm: "
	ofLogins       = resources + "unable to get registry auth from asm: "
	ofRegistry     = resources + "unable to retrieve ecr registry auth: service call has been retried 1 time(s): "
	noVariable     = resources + "the value for variable %s of container %s has a NUL byte, which no environment variable can have"
	ofFiles        = initialization + "failed to download env files: service call has been retried 1 time(s): "
)

// because makes an *Error of an API's error; any other stays as it is, and passes.
func because(words string, err error, about string) error {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return &Error{words + e.ErrorMessage() + about}
	}
	return err
}

// As returns a context in which the execution role is judged, if there is one. Errors: *Error.
func (r *Reader) As(ctx context.Context, f For) (context.Context, error) {
	name := aws.ToString(f.ExecutionRoleArn)
	if name == "" {
		return ctx, nil
	}
	judge, err := r.Roles.Begin(ctx, name, f.Source)
	if err != nil {
		return ctx, fmt.Errorf("assume role %s: %w", name, err)
	}
	if judge == nil {
		return ctx, &Error{role.NotAssumed(name)}
	}
	return caller.WithJudge(ctx, judge), nil
}

// Read reads what the containers get. Errors: *Error.
func (r *Reader) Read(ctx context.Context, f For) (Inputs, error) {
	in := Inputs{Variables: map[string]engine.Secrets{}, Versions: map[string]string{}}
	ctx, err := r.As(ctx, f)
	if err != nil {
		return in, err
	}
	values, err := r.values(ctx, f)
	if err != nil {
		return in, err
	}
	for i := range f.ContainerDefinitions {
		c := &f.ContainerDefinitions[i]
		vars, err := r.files(ctx, c)
		if err != nil {
			return in, err
		}
		for _, s := range c.Secrets {
			v := values[*s.ValueFrom]
			if strings.Contains(v.Text, "\x00") {
				return in, &Error{fmt.Sprintf(noVariable, *s.Name, *c.Name)}
			}
			vars = append(vars, *s.Name+"="+v.Text)
			in.Versions[*s.ValueFrom] = v.Version
		}
		in.Variables[*c.Name] = vars
	}
	return in, nil
}

// IsSecret says whether a valueFrom names a secret, and not a parameter.
func IsSecret(valueFrom string) bool { return strings.HasPrefix(valueFrom, "arn:aws:secretsmanager:") }

// most is how many parameters are read at once, as the agent of ECS does it.
const most = 10

// values reads all secrets and parameters, each once.
func (r *Reader) values(ctx context.Context, f For) (map[string]Value, error) {
	secrets := r.Secrets.Once()
	values, parameters := map[string]Value{}, []string{}
	for _, c := range f.ContainerDefinitions {
		for _, s := range c.Secrets {
			from := *s.ValueFrom
			if _, had := values[from]; had {
				continue
			}
			values[from] = Value{}
			if !IsSecret(from) {
				parameters = append(parameters, from)
				continue
			}
			v, err := secrets.Secret(ctx, from)
			if err != nil {
				return nil, because(ofSecrets, err, fmt.Sprintf(" (variable %s of container %s)", *s.Name, *c.Name))
			}
			values[from] = v
		}
	}
	for len(parameters) > 0 {
		n := min(most, len(parameters))
		got, err := r.Parameters.Parameters(ctx, parameters[:n])
		if err != nil {
			return nil, because(ofParameters, err, "")
		}
		maps.Copy(values, got)
		parameters = parameters[n:]
	}
	return values, nil
}
