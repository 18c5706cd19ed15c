package caller

import (
	"context"
	"errors"
)

// Judge says whether somebody may take an action on a resource, an ARN, maybe with authz.VersionMark and a version behind it: nil when so, else the refusal for the caller. Keys are
// condition keys that are about the request, by their names.
type Judge func(ctx context.Context, action, resource string, keys map[string][]string) error

type judgeKey struct{}

// WithJudge returns a context in which May asks j.
func WithJudge(ctx context.Context, j Judge) context.Context {
	return context.WithValue(ctx, judgeKey{}, j)
}

// May says whether the caller in ctx may take an action: for a handler that finds out only from records, or one by one, what a
// call is about. Without a judge nobody may.
func May(ctx context.Context, action, resource string, keys map[string][]string) error {
	j, ok := ctx.Value(judgeKey{}).(Judge)
	if !ok {
		return errors.New("nobody judges whether " + action + " is allowed")
	}
	return j(ctx, action, resource, keys)
}
