package logs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/logstore"
	"github.com/skylift/skylift/internal/store"
)

// Stream is a log stream's record.
type Stream struct {
	ID      string // its events are stored under it; it is never used again
	Group   string // the group's ID
	Name    string
	Created time.Time
}

// streams is keyed by the group's ID and the stream's name, so that a new group of
// an old name has none.
var streams = store.NewTable[Stream]("logstream")

func streamKey(groupID, name string) string { return groupID + "/" + name }

func (s *Stream) key() string { return streamKey(s.Group, s.Name) }

// events returns what the log store calls s.
func (s *Stream) events() logstore.Stream { return logstore.Stream{Group: s.Group, Name: s.ID} }

func getStream(tx store.Tx, group, name string) (Group, Stream, error) {
	g, err := getGroup(tx, group)
	if err != nil {
		return g, Stream{}, err
	}
	s, err := handler.Get(tx, streams, streamKey(g.ID, name), noStream)
	return g, s, err
}

func (a *API) stream(ctx context.Context, group, name string) (g Group, s Stream, err error) {
	err = a.db.View(ctx, func(tx store.Tx) error {
		g, s, err = getStream(tx, group, name)
		return err
	})
	return g, s, err
}

// CreateLogStream makes a stream in a group.
func (a *API) CreateLogStream(ctx context.Context, in *cwl.CreateLogStreamInput) (*cwl.CreateLogStreamOutput, error) {
	if err := checkStreamName(*in.LogStreamName); err != nil {
		return nil, err
	}
	s := Stream{ID: id.Hex(16), Name: *in.LogStreamName, Created: time.Now()}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*cwl.CreateLogStreamOutput, error) {
		g, err := getGroup(tx, *in.LogGroupName)
		if err != nil {
			return nil, err
		}
		s.Group = g.ID
		_, exists, err := handler.Find(tx, streams, s.key())
		if err != nil {
			return nil, err
		}
		if exists {
			return nil, &types.ResourceAlreadyExistsException{Message: new("The specified log stream already exists")}
		}
		return &cwl.CreateLogStreamOutput{}, streams.Put(tx, s.key(), s)
	})
}

func isNotFound(err error) bool {
	_, ok := errors.AsType[*types.ResourceNotFoundException](err)
	return ok
}

// DeleteLogStream deletes a stream. Run frees the disk space.
func (a *API) DeleteLogStream(ctx context.Context, in *cwl.DeleteLogStreamInput) (*cwl.DeleteLogStreamOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*cwl.DeleteLogStreamOutput, error) {
		_, s, err := getStream(tx, *in.LogGroupName, *in.LogStreamName)
		if err != nil {
			return nil, err
		}
		return &cwl.DeleteLogStreamOutput{}, streams.Delete(tx, s.key())
	})
}

// DescribeLogStreams lists the streams of a group, by name or by the time of
// their last event.
func (a *API) DescribeLogStreams(ctx context.Context, in *cwl.DescribeLogStreamsInput) (*cwl.DescribeLogStreamsOutput, error) {
	byTime := in.OrderBy == types.OrderByLastEventTime
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	page, err := pages.Open(in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	page.Descending = aws.ToBool(in.Descending)
	name, err := a.groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	g, all, err := a.groupStreams(ctx, name, aws.ToString(in.LogStreamNamePrefix))
	if err != nil {
		return nil, err
	}
	infos, err := a.events.Infos(ctx, g.ID)
	if err != nil {
		return nil, err
	}
	order := func(s Stream) string {
		if !byTime {
			return s.Name
		}
		return fmt.Sprintf("%019d/%s", lastEvent(infos[s.ID]), s.Name)
	}
	part, next := handler.Cut(page, all, order)
	out := &cwl.DescribeLogStreamsOutput{LogStreams: []types.LogStream{}, NextToken: next}
	for _, s := range part {
		out.LogStreams = append(out.LogStreams, a.wireStream(name, s, infos[s.ID]))
	}
	return out, nil
}

// lastEvent orders streams by time: those without events come first.
func lastEvent(i logstore.Info) int64 {
	if i.Last.IsZero() {
		return 0
	}
	return max(0, min(i.Last.UnixMilli(), math.MaxInt64-1)+1)
}

// groupStreams returns a group and its streams whose names start with prefix.
func (a *API) groupStreams(ctx context.Context, group, prefix string) (g Group, all []Stream, err error) {
	err = a.db.View(ctx, func(tx store.Tx) error {
		if g, err = getGroup(tx, group); err != nil {
			return err
		}
		all, err = streams.List(tx, streamKey(g.ID, prefix))
		return err
	})
	return g, all, err
}

// sequenceToken is what every answer has. Writers once had to send it back; now AWS
// accepts any.
const sequenceToken = "49000000000000000000000000000000000000000000000000000001"

func (a *API) wireStream(group string, s Stream, i logstore.Info) types.LogStream {
	out := types.LogStream{
		Arn:                 new(a.groupARN(group) + ":log-stream:" + s.Name),
		LogStreamName:       new(s.Name),
		CreationTime:        new(s.Created.UnixMilli()),
		StoredBytes:         new(int64(0)), //nolint:staticcheck // always 0 on AWS, too
		UploadSequenceToken: new(sequenceToken),
	}
	if !i.Ingested.IsZero() {
		out.LastIngestionTime = new(i.Ingested.UnixMilli())
	}
	if !i.Last.IsZero() {
		out.FirstEventTimestamp, out.LastEventTimestamp = new(i.First.UnixMilli()), new(i.Last.UnixMilli())
	}
	return out
}

// named keeps the streams with these names; all when there are no names.
func named(all []Stream, names []string) ([]Stream, error) {
	if len(names) == 0 {
		return all, nil
	}
	kept := slices.DeleteFunc(all, func(s Stream) bool { return !slices.Contains(names, s.Name) })
	for _, n := range names {
		if !slices.ContainsFunc(kept, func(s Stream) bool { return s.Name == n }) {
			return nil, noStream(n)
		}
	}
	return kept, nil
}
