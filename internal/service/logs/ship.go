package logs

import (
	"context"
	"errors"
	"strings"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/skylift/skylift/internal/logstore"
)

// EnsureStream makes a stream where there is none and, with createGroup, its
// group. Without, a missing group is a ResourceNotFoundException.
func (a *API) EnsureStream(ctx context.Context, group, stream string, createGroup bool) error {
	err := a.ensureStream(ctx, group, stream)
	if !isNotFound(err) || !createGroup {
		return err
	}
	_, err = a.CreateLogGroup(ctx, &cwl.CreateLogGroupInput{LogGroupName: &group})
	if err != nil && !alreadyExists(err) {
		return err
	}
	return a.ensureStream(ctx, group, stream)
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

// Ship stores a source's events together with its cursor: whoever goes on
// from Cursor loses and doubles nothing. Bytes that are not UTF-8 are
// replaced. ResourceNotFoundException: the group or the stream is gone.
func (a *API) Ship(ctx context.Context, group, stream string, events []logstore.Event, source, cursor string) error {
	_, s, err := a.stream(ctx, group, stream)
	if err != nil {
		return err
	}
	for i := range events {
		events[i].Text = strings.ToValidUTF8(events[i].Text, "\uFFFD")
	}
	return a.append(ctx, s, events, &logstore.Cursor{Source: source, Value: cursor})
}

// Cursor returns what a source's cursor was last set to, "" when it has none.
func (a *API) Cursor(ctx context.Context, source string) (string, error) {
	return a.events.Cursor(ctx, source)
}

// DropCursors forgets the cursors of all sources whose names start with
// prefix.
func (a *API) DropCursors(ctx context.Context, prefix string) error {
	return a.events.DropCursors(ctx, prefix)
}
