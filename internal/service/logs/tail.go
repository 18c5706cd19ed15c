package logs

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/logstore"
	"github.com/skylift/skylift/internal/service/logs/pattern"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// AWS's limits on Live Tail sessions
// (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html and
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html).
const (
	maxTails      = 15            // sessions at a time
	maxTail       = 3 * time.Hour // of a session
	tailEvery     = time.Second   // an update is sent
	maxTailEvents = 500           // in an update; of more, it has a sample
	maxTailWaits  = 10            // updates that wait for a client; of more, the oldest are dropped
)

// maxTailBatches is how many commits of the log store wait for a session; the events of further ones are not in its sample.
const maxTailBatches = 1024

// tailEvents are the types of a session's events.
var tailEvents = []types.StartLiveTailResponseStream{
	(*types.StartLiveTailResponseStreamMemberSessionStart)(nil), (*types.StartLiveTailResponseStreamMemberSessionUpdate)(nil),
}

// tail is a Live Tail session.
type tail struct {
	match pattern.Match
	came  chan batch
	late  atomic.Bool // some events did not get into came
	// name returns the identifier of a stream's group as the caller gave it, and the stream's name; ok is false when
	// the session is not about it.
	name func(logstore.Stream) (group, stream string, ok bool)
}

type batch struct {
	stream logstore.Stream
	events []logstore.Event
}

// tailFaults are what is wrong with a request beside its members' constraints.
func tailFaults(in *cwl.StartLiveTailInput) (faults []error) {
	for _, id := range in.LogGroupIdentifiers {
		if strings.HasSuffix(id, "*") {
			faults = append(faults, invalid("The log group identifier '%s' must not end with an asterisk (*).", id))
		}
	}
	named, prefixed := len(in.LogStreamNames) > 0, len(in.LogStreamNamePrefixes) > 0
	if named && prefixed {
		faults = append(faults, invalid("logStreamNames and logStreamNamePrefixes are mutually exclusive parameters."))
	}
	if (named || prefixed) && len(in.LogGroupIdentifiers) > 1 {
		faults = append(faults, invalid("logStreamNames and logStreamNamePrefixes can be specified only with one log group."))
	}
	return faults
}

// StartLiveTail sends the events that are stored in log groups from now on, each second, until the caller hangs up or
// three hours are over.
func (a *API) StartLiveTail(ctx context.Context, in *cwl.StartLiveTailInput, events wire.Events[types.StartLiveTailResponseStream]) error {
	if a.tails.Add(1) > maxTails {
		a.tails.Add(-1)
		return &types.LimitExceededException{Message: new(fmt.Sprintf("There are %d Live Tail sessions already.", maxTails))}
	}
	defer a.tails.Add(-1)
	match, err := pattern.Parse(aws.ToString(in.LogEventFilterPattern))
	if err != nil {
		return invalid("Invalid filter pattern: %s", err)
	}
	groups, err := a.tailedGroups(ctx, in.LogGroupIdentifiers)
	if err != nil {
		return err
	}
	var ids []string
	for id := range groups {
		ids = append(ids, id)
	}
	t := &tail{match: match, came: make(chan batch, maxTailBatches), name: a.tailed(ctx, in, groups)}
	stop := a.events.Follow(ids, t.take)
	defer stop()
	err = events.Send(&types.StartLiveTailResponseStreamMemberSessionStart{Value: types.LiveTailSessionStart{
		RequestId: &events.RequestID, SessionId: new(id.UUID()), LogGroupIdentifiers: in.LogGroupIdentifiers,
		LogStreamNames: in.LogStreamNames, LogStreamNamePrefixes: in.LogStreamNamePrefixes, LogEventFilterPattern: in.LogEventFilterPattern,
	}})
	if err != nil {
		return err
	}
	return t.run(ctx, func(u types.LiveTailSessionUpdate) error {
		return events.Send(&types.StartLiveTailResponseStreamMemberSessionUpdate{Value: u})
	})
}

// tailedGroup is a group with the identifier that a caller has for it.
type tailedGroup struct{ name, identifier string }

// tailedGroups finds groups, by their ids.
func (a *API) tailedGroups(ctx context.Context, identifiers []string) (map[string]tailedGroup, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (map[string]tailedGroup, error) {
		found := map[string]tailedGroup{}
		for _, identifier := range identifiers {
			name, err := a.identified(identifier)
			if err != nil {
				return nil, err
			}
			g, err := getGroup(tx, name)
			if err != nil {
				return nil, err
			}
			found[g.ID] = tailedGroup{name, identifier}
		}
		return found, nil
	})
}

// tailed returns a session's name. It asks the records once for each stream that comes up.
func (a *API) tailed(ctx context.Context, in *cwl.StartLiveTailInput, groups map[string]tailedGroup) func(logstore.Stream) (string, string, bool) {
	names := map[logstore.Stream]string{}
	return func(st logstore.Stream) (string, string, bool) {
		g := groups[st.Group]
		if _, known := names[st]; !known {
			names[st] = "" // deleted, unless it is among these
			_, all, err := a.groupStreams(ctx, g.name, "")
			if err != nil {
				return "", "", false
			}
			for _, s := range all {
				names[s.events()] = s.Name
			}
		}
		name := names[st]
		return g.identifier, name, name != "" && tails(in, name)
	}
}

// tails says whether a session is about the stream with that name.
func tails(in *cwl.StartLiveTailInput, stream string) bool {
	switch {
	case len(in.LogStreamNames) > 0:
		return slices.Contains(in.LogStreamNames, stream)
	case len(in.LogStreamNamePrefixes) > 0:
		return slices.ContainsFunc(in.LogStreamNamePrefixes, func(prefix string) bool { return strings.HasPrefix(stream, prefix) })
	}
	return true
}

// take notes events; it never waits.
func (t *tail) take(st logstore.Stream, events []logstore.Event) {
	select {
	case t.came <- batch{st, events}:
	default:
		t.late.Store(true)
	}
}

// run sends an update each second, until ctx ends, which is nobody's fault, send fails, or time is over.
func (t *tail) run(ctx context.Context, send func(types.LiveTailSessionUpdate) error) error {
	failed := make(chan error, 1)
	waiting := make(chan types.LiveTailSessionUpdate, maxTailWaits)
	var sender sync.WaitGroup
	defer sender.Wait()
	defer close(waiting)
	sender.Go(func() {
		for u := range waiting {
			if err := send(u); err != nil {
				failed <- err
				return
			}
		}
	})
	tick, over := time.NewTicker(tailEvery), time.NewTimer(maxTail)
	defer tick.Stop()
	defer over.Stop()
	var s sample
	for {
		select {
		case b := <-t.came:
			t.look(&s, b)
		case <-tick.C:
			u := s.update(t.late.Swap(false))
			s = sample{}
			for sent := false; !sent; {
				select {
				case waiting <- u:
					sent = true
				default:
					select { // the oldest one makes room, unless the sender takes it now
					case <-waiting:
					default:
					}
				}
			}
		case <-over.C:
			return &types.SessionTimeoutException{Message: new("The Live Tail session timed out after three hours.")}
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// look adds those events of b that the session is about.
func (t *tail) look(s *sample, b batch) {
	group, stream, ok := t.name(b.stream)
	if !ok {
		return
	}
	for _, e := range b.events {
		if t.match == nil || t.match(e.Text) {
			s.add(types.LiveTailSessionLogEvent{
				LogGroupIdentifier: &group, LogStreamName: &stream, Message: new(e.Text),
				Timestamp: new(e.Time.UnixMilli()), IngestionTime: new(e.Ingested.UnixMilli()),
			})
		}
	}
}

// sample is the events of an update: each of them, or of many a number of which each was as likely as any other.
type sample struct {
	kept []sampled
	seen int
}

type sampled struct {
	at    int
	event types.LiveTailSessionLogEvent
}

func (s *sample) add(e types.LiveTailSessionLogEvent) {
	one := sampled{s.seen, e}
	s.seen++
	if len(s.kept) < maxTailEvents {
		s.kept = append(s.kept, one)
	} else if i := rand.IntN(s.seen); i < maxTailEvents {
		s.kept[i] = one
	}
}

// update returns the sample in the order in which its events came. Late says that there were more.
func (s *sample) update(late bool) types.LiveTailSessionUpdate {
	slices.SortFunc(s.kept, func(a, b sampled) int { return cmp.Compare(a.at, b.at) })
	u := types.LiveTailSessionUpdate{
		SessionMetadata: &types.LiveTailSessionMetadata{Sampled: late || s.seen > maxTailEvents},
		SessionResults:  make([]types.LiveTailSessionLogEvent, len(s.kept)),
	}
	for i, one := range s.kept {
		u.SessionResults[i] = one.event
	}
	return u
}
