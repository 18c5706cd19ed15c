package logs

import (
	"context"
	"errors"
	"strings"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/logstore"
)

// EnsureStream makes a stream if it is missing and, with createGroup, its group.
// Without createGroup a missing group is a ResourceNotFoundException. The judge in ctx
// must allow it.
func (a *API) EnsureStream(ctx context.Context, group, stream string, createGroup bool) error {
	if err := a.may(ctx, "logs:CreateLogStream", group, stream); err != nil {
		return err
	}
	err := a.ensureStream(ctx, group, stream)
	if !isNotFound(err) || !createGroup {
		return err
	}
	if err := a.may(ctx, "logs:CreateLogGroup", group, ""); err != nil {
		return err
	}
	_, err = a.CreateLogGroup(ctx, &cwl.CreateLogGroupInput{LogGroupName: &group})
	if err != nil && !alreadyExists(err) {
		return err
	}
	return a.ensureStream(ctx, group, stream)
}

// may asks the judge in ctx. AWS names a group like a stream without a name.
func (a *API) may(ctx context.Context, action, group, stream string) error {
	return caller.Allowed(ctx, action, a.ns.ARN("logs", "log-group:"+group+":log-stream:"+stream), nil)
}

func (a *API) ensureStream(ctx context.Context, group, stream string) error {
	_, err := a.CreateLogStream(ctx, &cwl.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream})
	if alreadyExists(err) {
		return nil
	}
	return err
}

func alreadyExists(err error) bool {
	_, ok := errors.AsType[*types.ResourceAlreadyExistsException](err)
	return ok
}

// Ship stores a source's events together with its cursor, so a caller that goes on
// from Cursor neither loses an event nor stores one twice. Bytes that are not UTF-8
// are replaced. The error is a ResourceNotFoundException when the group or the
// stream is gone, and an AccessDeniedException when the judge in ctx doesn't allow it.
func (a *API) Ship(ctx context.Context, group, stream string, events []logstore.Event, source, cursor string) error {
	if err := a.may(ctx, "logs:PutLogEvents", group, stream); err != nil {
		return err
	}
	_, s, err := a.stream(ctx, group, stream)
	if err != nil {
		return err
	}
	for i := range events {
		events[i].Text = strings.ToValidUTF8(events[i].Text, "\uFFFD")
	}
	return a.append(ctx, s, events, &logstore.Cursor{Source: source, Value: cursor})
}

// Cursor returns a source's cursor; "" when it has none.
func (a *API) Cursor(ctx context.Context, source string) (string, error) {
	return a.events.Cursor(ctx, source)
}

// DropCursors forgets the cursors of all sources whose names start with
// prefix.
func (a *API) DropCursors(ctx context.Context, prefix string) error {
	return a.events.DropCursors(ctx, prefix)
}
