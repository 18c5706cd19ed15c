package daemon

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/service/ecr/pulls"
	"github.com/skylift/skylift/internal/service/ecs/inputs"
	"github.com/skylift/skylift/internal/service/ecs/ship"
	"github.com/skylift/skylift/internal/service/iam"
	"github.com/skylift/skylift/internal/service/s3"
	"github.com/skylift/skylift/internal/service/secretsmanager"
	"github.com/skylift/skylift/internal/service/secretsmanager/valuefrom"
	"github.com/skylift/skylift/internal/service/ssm"
	"github.com/skylift/skylift/internal/wire/authz"
)

// inputs makes what reads for tasks as their execution roles.
func (b *builder) inputs(roles *taskRoles) *inputs.Reader {
	return &inputs.Reader{
		Roles: b.executionRoles(roles), Objects: taskObjects{b.objects}, Secrets: taskSecrets{b.secrets}, Parameters: taskParameters{b.values}, Registry: b.registry(),
	}
}

func (b *builder) executionRoles(roles *taskRoles) executionRoles {
	return executionRoles{roles, b.m.known(b.made), b.m.ns.Region, b.objects, ownPolicies(b.made)}
}

// registry is the own one, as whoever pulls sees it.
func (b *builder) registry() pulls.Registry {
	return pulls.Registry{Host: b.m.is.Listen, Namespace: b.m.ns}
}

// executionRoles is IAM as what reads for tasks sees it.
type executionRoles struct {
	*taskRoles
	known   authz.Lookup
	region  string
	objects *s3.API
	own     func(ctx context.Context, action, resource string) (*policy.Policy, error) // of other resources; nil: there are none
}

func (r executionRoles) Begin(ctx context.Context, role, source string) (caller.Judge, error) {
	s, err := r.ask(ctx, role, source)
	if errors.Is(err, session.ErrDenied) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return roleJudge{executionRoles: r, Session: s, began: time.Now()}.allowed, nil
}

// roleJudge judges as a session of a role, whose policies are those of when it began.
type roleJudge struct {
	executionRoles
	iam.Session
	began time.Time
}

// allowed tells whether the session may take an action.
func (j roleJudge) allowed(ctx context.Context, action, resource string, asked map[string][]string) error {
	keys, policies := j.keysOf(), j.Policies
	if resource != "*" {
		found, err := j.known(ctx, []string{resource})
		if err != nil {
			return err
		}
		tell(&keys, action, found[resource])
		if policies.Resource, err = j.policyOf(ctx, action, resource); err != nil {
			return err
		}
	}
	for name, values := range asked {
		if len(values) == 1 && name != "kms:EncryptionContextKeys" {
			keys.Set(name, values[0])
		} else {
			keys.SetMany(name, values...)
		}
	}
	call := policy.Call{Caller: j.Principal, Action: action, Resource: resource, Keys: keys}
	if d := policy.Decide(call, policies); !d.Allowed() {
		return awserr.New("AccessDeniedException", "%s", d.Explain(call))
	}
	return nil
}

// policyOf returns the policy that a resource has of its own, if any.
func (j roleJudge) policyOf(ctx context.Context, action, resource string) (*policy.Policy, error) {
	if strings.HasPrefix(resource, "arn:aws:s3:::") {
		return j.objects.Policy(ctx, j.Principal, action, resource)
	}
	if j.own == nil {
		return nil, nil
	}
	return j.own(ctx, action, resource)
}

// tell adds the condition keys that a resource tells.
func tell(keys *policy.Keys, action string, is authz.Known) {
	service, _, _ := strings.Cut(action, ":")
	for name, value := range is.Keys {
		keys.Set(name, value)
	}
	for name, value := range is.Tags {
		keys.Set("aws:ResourceTag/"+name, value)
		keys.Set(service+":ResourceTag/"+name, value)
	}
}

// keysOf returns the condition keys about the session and its calls
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).
func (j roleJudge) keysOf() policy.Keys {
	k := j.Principal.Keys()
	for name, value := range j.Tags {
		k.Set("aws:PrincipalTag/"+name, value)
	}
	now := time.Now().UTC()
	k.Set("aws:CurrentTime", now.Format(time.RFC3339))
	k.Set("aws:EpochTime", strconv.FormatInt(now.Unix(), 10))
	k.Set("aws:TokenIssueTime", j.began.UTC().Format(time.RFC3339))
	k.Set("aws:MultiFactorAuthPresent", "false")
	k.Set("aws:SecureTransport", "true")
	k.Set("aws:ViaAWSService", "false")
	k.Set("aws:RequestedRegion", j.region)
	return k
}

// shipsAs has output stored as the execution roles of tasks.
func shipsAs(in *inputs.Reader) func(context.Context, ship.Job) (context.Context, error) {
	return func(ctx context.Context, j ship.Job) (context.Context, error) {
		as, err := in.As(ctx, inputs.For{Source: j.Source, TaskDefinition: types.TaskDefinition{ExecutionRoleArn: &j.Role}})
		if refused, ok := errors.AsType[*inputs.Error](err); ok {
			return ctx, awserr.New("AccessDeniedException", "%s", refused.Reason)
		}
		return as, err
	}
}

// taskSecrets is Secrets Manager as what reads for tasks sees it.
type taskSecrets struct{ *secretsmanager.API }

func (s taskSecrets) Once() inputs.Secrets { return secretsOnce{valuefrom.NewReader(s.API)} }

func (s taskSecrets) Secret(ctx context.Context, from string) (inputs.Value, error) {
	return s.Once().Secret(ctx, from)
}

// secretsOnce is it for one task.
type secretsOnce struct{ *valuefrom.Reader }

func (s secretsOnce) Once() inputs.Secrets { return s }

func (s secretsOnce) Secret(ctx context.Context, from string) (inputs.Value, error) {
	text, version, err := s.Read(ctx, from)
	return inputs.Value{Text: text, Version: version}, err
}

// taskObjects is S3 as what reads for tasks sees it.
type taskObjects struct{ *s3.API }

// maxFile is how long an environment file may be, in bytes: all of it is in memory.
const maxFile = 1 << 20

func (o taskObjects) Object(ctx context.Context, bucket, key string) ([]byte, error) {
	body, size, err := o.Read(ctx, bucket, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if size > maxFile {
		return nil, awserr.New("EntityTooLarge", "an environment file may have at most %d bytes, and this one has %d", maxFile, size)
	}
	return io.ReadAll(body)
}

// taskParameters is Parameter Store as what reads for tasks sees it.
type taskParameters struct{ *ssm.API }

func (p taskParameters) Parameters(ctx context.Context, from []string) (map[string]inputs.Value, error) {
	all, err := p.ValuesFrom(ctx, from)
	out := make(map[string]inputs.Value, len(all))
	for name, v := range all {
		out[name] = inputs.Value(v)
	}
	return out, err
}
