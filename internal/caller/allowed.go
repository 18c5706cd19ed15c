package caller

import "context"

// Allowed is May for what the instance does by itself, too: where nobody is judged, it may. A service asks it about what it does for
// somebody beyond the call that was judged at the front door.
func Allowed(ctx context.Context, action, resource string, keys map[string][]string) error {
	if _, judged := ctx.Value(judgeKey{}).(Judge); !judged {
		return nil
	}
	return May(ctx, action, resource, keys)
}
