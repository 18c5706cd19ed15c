package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/logstore"
	"github.com/skylift/skylift/internal/store"
)

// Stream is a log stream's record.
type Stream struct {
	ID      string // its events are stored under it; never used again
	Group   string // the group's ID
	Name    string
	Created time.Time
}

// streams are kept by their group's ID and their name, so that a new group of
// an old name has none.
var streams = store.NewTable[Stream]("logstream")

func streamKey(groupID, name string) string { return groupID + "/" + name }

func (s *Stream) key() string { return streamKey(s.Group, s.Name) }

// events names what the log store holds of s.
func (s *Stream) events() logstore.Stream { return logstore.Stream{Group: s.Group, Name: s.ID} }

func getStream(tx store.Tx, group, name string) (Group, Stream, error) {
	g, err := getGroup(tx, group)
	if err != nil {
		return g, Stream{}, err
	}
	s, err := streams.Get(tx, streamKey(g.ID, name))
	if errors.Is(err, store.ErrNotFound) {
		return g, s, noStream()
	}
	if err != nil {
		return g, s, fmt.Errorf("read log stream %s of %s: %w", name, group, err)
	}
	return g, s, nil
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
	err := a.db.Update(ctx, func(tx store.Tx) error {
		g, _, err := getStream(tx, *in.LogGroupName, s.Name)
		if err == nil {
			return &types.ResourceAlreadyExistsException{Message: new("The specified log stream already exists")}
		}
		if g.ID == "" || !isNotFound(err) {
			return err
		}
		s.Group = g.ID
		return streams.Put(tx, s.key(), s)
	})
	if err != nil {
		return nil, err
	}
	return &cwl.CreateLogStreamOutput{}, nil
}

func isNotFound(err error) bool {
	_, ok := errors.AsType[*types.ResourceNotFoundException](err)
	return ok
}

// DeleteLogStream deletes a stream. Run gives back the room.
func (a *API) DeleteLogStream(ctx context.Context, in *cwl.DeleteLogStreamInput) (*cwl.DeleteLogStreamOutput, error) {
	err := a.db.Update(ctx, func(tx store.Tx) error {
		_, s, err := getStream(tx, *in.LogGroupName, *in.LogStreamName)
		if err != nil {
			return err
		}
		return streams.Delete(tx, s.key())
	})
	if err != nil {
		return nil, err
	}
	return &cwl.DeleteLogStreamOutput{}, nil
}

// DescribeLogStreams lists the streams of a group, by name or by the time of
// their last event.
func (a *API) DescribeLogStreams(ctx context.Context, in *cwl.DescribeLogStreamsInput) (*cwl.DescribeLogStreamsOutput, error) {
	byTime := in.OrderBy == types.OrderByLastEventTime
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	after, err := parseToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	name, err := a.groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	g, all, err := a.groupStreams(ctx, name, deref(in.LogStreamNamePrefix))
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
	page, next := pageOf(all, order, in.Descending != nil && *in.Descending, after, limitOf(in.Limit, 50))
	out := &cwl.DescribeLogStreamsOutput{LogStreams: []types.LogStream{}, NextToken: next}
	for _, s := range page {
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

// pageOf sorts all by order and returns those that come after a token, and
// the next one.
func pageOf(all []Stream, order func(Stream) string, descending bool, after string, limit int) ([]Stream, *string) {
	compare := func(a, b string) int {
		if descending {
			a, b = b, a
		}
		return cmp.Compare(a, b)
	}
	slices.SortFunc(all, func(a, b Stream) int { return compare(order(a), order(b)) })
	if after != "" {
		all = slices.DeleteFunc(all, func(s Stream) bool { return compare(order(s), after) <= 0 })
	}
	if len(all) <= limit {
		return all, nil
	}
	return all[:limit], new(makeToken(order(all[limit-1])))
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

// sequenceToken stands where AWS once had tokens that a writer had to send
// back; they are accepted whatever they are.
const sequenceToken = "49000000000000000000000000000000000000000000000000000001"

func (a *API) wireStream(group string, s Stream, i logstore.Info) types.LogStream {
	out := types.LogStream{
		Arn:                 new(a.groupARN(group) + ":log-stream:" + s.Name),
		LogStreamName:       new(s.Name),
		CreationTime:        new(s.Created.UnixMilli()),
		StoredBytes:         new(int64(0)), //nolint:staticcheck // always 0, since AWS stopped telling
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

// named keeps the streams that names has, or all when there are none.
func named(all []Stream, names []string) ([]Stream, error) {
	if len(names) == 0 {
		return all, nil
	}
	kept := slices.DeleteFunc(all, func(s Stream) bool { return !slices.Contains(names, s.Name) })
	for _, n := range names {
		if !slices.ContainsFunc(kept, func(s Stream) bool { return s.Name == n }) {
			return nil, noStream()
		}
	}
	return kept, nil
}
