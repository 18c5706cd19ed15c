package ecstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/service/ecs/inputs"
	"github.com/skylift/skylift/internal/service/ecs/role"
)

// ExecutionRole is the ARN of a role that tasks may have. It may do what Inputs.Deny doesn't name.
const ExecutionRole = "arn:aws:iam::111122223333:role/exec"

// Inputs is what tasks read as their execution roles: what a valueFrom names, and objects.
type Inputs struct {
	mu     sync.Mutex
	Values map[string]inputs.Value // by valueFrom
	Files  map[string]string       // by bucket/key
	Deny   []string                // actions that the role may not take
}

func newInputs() *Inputs {
	return &Inputs{Values: map[string]inputs.Value{}, Files: map[string]string{}}
}

// Reader reads them.
func (i *Inputs) Reader() *inputs.Reader {
	return &inputs.Reader{Roles: i, Secrets: i, Parameters: i, Objects: i, Registry: i}
}

// Set changes a value.
func (i *Inputs) Set(from, text, version string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.Values[from] = inputs.Value{Text: text, Version: version}
}

// Begin knows ExecutionRole.
func (i *Inputs) Begin(_ context.Context, name, source string) (caller.Judge, error) {
	if name != ExecutionRole {
		return nil, nil
	}
	return judge{i, source[strings.LastIndexByte(source, '/')+1:]}.allowed, nil
}

// onlyExecution trusts ECS with ExecutionRole.
type onlyExecution struct{}

func (onlyExecution) Assume(_ context.Context, name, _ string) error {
	if name != ExecutionRole {
		return session.ErrDenied
	}
	return nil
}

// roles are the world's, or ExecutionRole alone.
func (w *World) roles() role.Roles {
	if w.Roles == nil {
		return onlyExecution{}
	}
	return w.Roles
}

type judge struct {
	*Inputs
	name string
}

// allowed denies what is in Deny.
func (j judge) allowed(_ context.Context, action, resource string, _ map[string][]string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if slices.Contains(j.Deny, action) {
		return awserr.New("AccessDeniedException", "User: arn:aws:sts::111122223333:assumed-role/exec/%s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action",
			j.name, action, resource, action)
	}
	return nil
}

// Once reads nothing twice anyway.
func (i *Inputs) Once() inputs.Secrets { return i }

// Secret returns a value.
func (i *Inputs) Secret(ctx context.Context, from string) (inputs.Value, error) {
	if err := caller.Allowed(ctx, "secretsmanager:GetSecretValue", from, nil); err != nil {
		return inputs.Value{}, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	v, ok := i.Values[from]
	if !ok {
		return v, awserr.New("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	return v, nil
}

// Parameters returns values.
func (i *Inputs) Parameters(ctx context.Context, from []string) (map[string]inputs.Value, error) {
	out := map[string]inputs.Value{}
	for _, name := range from {
		v, err := i.Secret(ctx, name)
		if err != nil {
			return nil, awserr.New("InvalidParameters", "invalid parameters: %s", strings.Join(from, ","))
		}
		out[name] = v
	}
	return out, nil
}

// Object returns a file.
func (i *Inputs) Object(ctx context.Context, bucket, key string) ([]byte, error) {
	if err := caller.Allowed(ctx, "s3:GetObject", "arn:aws:s3:::"+bucket+"/"+key, nil); err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	text, ok := i.Files[bucket+"/"+key]
	if !ok {
		return nil, awserr.New("NoSuchKey", "The specified key does not exist.")
	}
	return fmt.Append(nil, text), nil
}

// Owns knows no image.
func (i *Inputs) Owns(string) bool { return false }
