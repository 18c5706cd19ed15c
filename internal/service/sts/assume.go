package sts

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/wire/authz"
)

// How long sessions of roles last, in seconds
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
const (
	usualSession   = 3600
	chainedSession = 3600 // at most, of a role that a role assumes
)

// assuming returns the questions about what a session brings besides: the handler asks them, and the audit has them.
func assuming(_ context.Context, in *sts.AssumeRoleInput) (list []authz.Question) {
	if len(in.Tags) > 0 {
		list = append(list, authz.Question{Action: session.Tag, Resource: *in.RoleArn})
	}
	if aws.ToString(in.SourceIdentity) != "" {
		list = append(list, authz.Question{Action: session.SetSourceIdentity, Resource: *in.RoleArn})
	}
	return list
}

var roleARN = regexp.MustCompile(`^arn:aws:iam::\d{12}:role/.+$`)

// AssumeRole gives credentials of a role to who may assume it.
func (a *API) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	if !roleARN.MatchString(*in.RoleArn) {
		return nil, invalid("%s is invalid", *in.RoleArn)
	}
	who, c := session.From(ctx), caller.From(ctx)
	switch {
	case who.Principal.Type == policy.Root:
		return nil, denied("Roles may not be assumed by root accounts.")
	case c.Session != nil && c.Session.Kind == caller.Federated:
		return nil, mayNot(c, session.Assume, *in.RoleArn)
	}
	s := caller.Session{Kind: caller.OfRole, Name: *in.RoleSessionName, SourceIdentity: aws.ToString(in.SourceIdentity)}
	if err := inherit(&s, c.Session, in.Tags, in.TransitiveTagKeys); err != nil {
		return nil, err
	}
	packed, err := a.narrow(ctx, &s, in.Policy, in.PolicyArns)
	if err != nil {
		return nil, err
	}
	ask := session.Request{Caller: who, Name: s.Name, ExternalID: aws.ToString(in.ExternalId), SourceIdentity: s.SourceIdentity, Tags: tagged(s), Transitive: s.Transitive}
	role, most, refused, err := a.assumed(ctx, *in.RoleArn, ask)
	if err != nil {
		return nil, err
	}
	if refused != "" {
		return nil, mayNot(c, refused, *in.RoleArn)
	}
	chained := c.Session != nil && c.Session.Kind == caller.OfRole
	creds, user, err := a.enter(role, s, in.DurationSeconds, most, chained)
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleOutput{Credentials: creds, AssumedRoleUser: user, PackedPolicySize: packed, SourceIdentity: handler.Optional(s.SourceIdentity)}, nil //nolint:staticcheck // older clients read it
}

// assumed returns the role with that ARN, and how long its sessions may last, if the one who asks may assume it. Else it returns the action that
// is refused: of a role that isn't there, to assume it.
func (a *API) assumed(ctx context.Context, arn string, ask session.Request) (r session.Role, most int32, refused string, err error) {
	r, most, ok, err := a.IAM.Role(ctx, arn)
	switch d, action := r.Decide(ask); {
	case err != nil:
		return r, 0, "", fmt.Errorf("read role %s: %w", arn, err)
	case !ok && ask.Action != "":
		return r, 0, ask.Action, nil
	case !ok:
		return r, 0, session.Assume, nil
	case !d.Allowed():
		return r, 0, action, nil
	}
	return r, most, "", nil
}

// enter makes the credentials of a session of a role.
func (a *API) enter(r session.Role, s caller.Session, seconds *int32, most int32, chained bool) (*types.Credentials, *types.AssumedRoleUser, error) {
	switch {
	case seconds == nil:
		seconds = aws.Int32(usualSession)
	case *seconds > most:
		return nil, nil, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case chained && *seconds > chainedSession:
		return nil, nil, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	is := r.Session(s.Name)
	s.Entity, s.EntityID = r.ARN[strings.LastIndexByte(r.ARN, '/')+1:], r.ID
	creds, err := a.issue(s, *seconds)
	return creds, &types.AssumedRoleUser{Arn: &is.ARN, AssumedRoleId: &is.UserID}, err
}

// issue makes credentials that last so many seconds.
func (a *API) issue(s caller.Session, seconds int32) (*types.Credentials, error) {
	s.Issued = now()
	s.Expires = s.Issued.Add(time.Duration(seconds) * time.Second)
	c, err := a.Mint.Issue(s)
	if err != nil {
		return nil, err
	}
	return &types.Credentials{AccessKeyId: &c.AccessKeyID, SecretAccessKey: &c.SecretAccessKey, SessionToken: &c.SessionToken, Expiration: &c.Expires}, nil
}

// inherit gives s the tags of a request and what stays of the session that asks: its transitive tags and its source identity
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_role-chaining).
func inherit(s *caller.Session, from *caller.Session, tags []types.Tag, transitive []string) error {
	own, err := checkTags(tags)
	if err != nil {
		return err
	}
	for _, key := range transitive {
		name, is := find(own, key)
		if !is {
			return parameter("The specified transitive tag key must be included in the requested tags.")
		}
		s.Transitive = append(s.Transitive, name)
	}
	s.Tags = own
	if from == nil || from.Kind != caller.OfRole {
		return nil
	}
	for _, key := range from.Transitive {
		if _, is := find(own, key); is {
			return parameter("One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
	}
	for _, key := range from.Transitive {
		s.Tags[key], s.Transitive = from.Tags[key], append(s.Transitive, key)
	}
	if from.SourceIdentity != "" {
		if s.SourceIdentity != "" && s.SourceIdentity != from.SourceIdentity {
			return invalid("The source identity is already set for this assume role session")
		}
		s.SourceIdentity = from.SourceIdentity
	}
	return nil
}

// checkTags reads tags, whose keys are unique without regard to case.
func checkTags(tags []types.Tag) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range tags {
		if _, is := find(out, *t.Key); is {
			return nil, parameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, parameter("Tag keys starting with 'aws:' are reserved for system use.")
		}
		out[*t.Key] = *t.Value
	}
	return out, nil
}

// find returns a key as tags have it, whatever its case.
func find(tags map[string]string, key string) (string, bool) {
	for name := range tags {
		if strings.EqualFold(name, key) {
			return name, true
		}
	}
	return "", false
}

func tagged(s caller.Session) (list []session.KeyValue) {
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		list = append(list, session.KeyValue{Key: key, Value: s.Tags[key]})
	}
	return list
}

func invalid(format string, args ...any) error { return awserr.New("ValidationError", format, args...) }

func parameter(format string, args ...any) error {
	return awserr.New("InvalidParameterValue", format, args...)
}

// denied is an AccessDenied.
func denied(format string, args ...any) error { return awserr.New("AccessDenied", format, args...) }

// mayNot refuses a call without a reason, which would tell whether there is such a role.
func mayNot(c caller.Caller, action, resource string) error {
	return denied("User: %s is not authorized to perform: %s on resource: %s", c.ARN, action, resource)
}
