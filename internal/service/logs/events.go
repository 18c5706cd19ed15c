package logs

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/logstore"
	"github.com/skylift/skylift/internal/service/logs/pattern"
)

// AWS's limits on events.
const (
	maxBatch      = 1 << 20 // bytes, of text and overhead
	maxEvents     = 10_000
	eventOverhead = 26
	maxSpan       = 24 * time.Hour
	maxAge        = 14 * 24 * time.Hour
	maxAhead      = 2 * time.Hour
	pageBytes     = 1 << 20
)

// eventPages is how events are listed.
var eventPages = handler.Pages{Default: maxEvents, Most: maxEvents, BadToken: func(string) error { return badToken() }}

// PutLogEvents stores events in a stream. It leaves out those that are too old or
// too new, and says so in the answer.
func (a *API) PutLogEvents(ctx context.Context, in *cwl.PutLogEventsInput) (*cwl.PutLogEventsOutput, error) {
	if err := checkBatch(in.LogEvents); err != nil {
		return nil, err
	}
	g, s, err := a.stream(ctx, *in.LogGroupName, *in.LogStreamName)
	if err != nil {
		return nil, err
	}
	accepted, rejected := g.admit(in.LogEvents, time.Now())
	events := make([]logstore.Event, len(accepted))
	for i, e := range accepted {
		events[i] = logstore.Event{Time: time.UnixMilli(*e.Timestamp), Text: *e.Message}
	}
	if err := a.append(ctx, s, events, nil); err != nil {
		return nil, err
	}
	return &cwl.PutLogEventsOutput{NextSequenceToken: new(sequenceToken), RejectedLogEventsInfo: rejected}, nil
}

func (a *API) append(ctx context.Context, s Stream, events []logstore.Event, cursor *logstore.Cursor) error {
	err := a.events.Append(ctx, s.events(), events, cursor)
	if errors.Is(err, logstore.ErrFull) {
		return errors.Join(&types.ServiceUnavailableException{
			Message: new("The disk that holds the log events is full: make room, or shorten retention policies."),
		}, err)
	}
	return err
}

// checkBatch refuses a batch that is over a limit as a whole.
func checkBatch(events []types.InputLogEvent) error {
	if len(events) > maxEvents {
		return invalid("1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length less than or equal to %d", maxEvents)
	}
	size := 0
	for i, e := range events {
		n := len(*e.Message) + eventOverhead
		if n > maxBatch {
			return invalid("Log event too large: %d bytes exceeds limit of %d", n, maxBatch)
		}
		size += n
		if i > 0 && *e.Timestamp < *events[i-1].Timestamp {
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	if size > maxBatch {
		return invalid("Upload too large: %d bytes exceeds limit of %d", size, maxBatch)
	}
	if n := len(events); n > 0 && *events[n-1].Timestamp-*events[0].Timestamp > maxSpan.Milliseconds() {
		return invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return nil
}

// admit cuts what is too old, expired or too new off both ends of events, which must
// be in order.
func (g *Group) admit(events []types.InputLogEvent, now time.Time) ([]types.InputLogEvent, *types.RejectedLogEventsInfo) {
	before := func(t time.Time) (n int32) {
		for int(n) < len(events) && *events[n].Timestamp < t.UnixMilli() {
			n++
		}
		return n
	}
	var r types.RejectedLogEventsInfo
	tooOld, expired, fit := before(now.Add(-maxAge)), int32(0), before(now.Add(maxAhead+time.Millisecond))
	if g.Retention != 0 {
		expired = before(g.expiry(now))
	}
	if tooOld > 0 {
		r.TooOldLogEventEndIndex = new(tooOld)
	}
	if expired > tooOld {
		r.ExpiredLogEventEndIndex = new(expired)
	}
	if int(fit) < len(events) {
		r.TooNewLogEventStartIndex = new(fit)
	}
	if r == (types.RejectedLogEventsInfo{}) {
		return events, nil
	}
	return events[max(tooOld, expired):fit], &r
}

// GetLogEvents returns a page of a stream. Its tokens lead to the pages before and
// after it. At an end of the stream a token leads to itself.
func (a *API) GetLogEvents(ctx context.Context, in *cwl.GetLogEventsInput) (*cwl.GetLogEventsOutput, error) {
	q, err := pageQuery(in)
	if err != nil {
		return nil, err
	}
	page, err := eventPages.Open(in.Limit, nil)
	if err != nil {
		return nil, err
	}
	name, err := a.groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	g, s, err := a.stream(ctx, name, *in.LogStreamName)
	if err != nil {
		return nil, err
	}
	q.Range = g.span(in.StartTime, in.EndTime, page)
	events, err := a.events.Read(ctx, s.events(), q)
	if err != nil {
		return nil, err
	}
	out := &cwl.GetLogEventsOutput{Events: make([]types.OutputLogEvent, len(events))}
	for i, e := range events {
		out.Events[i] = types.OutputLogEvent{
			Timestamp:     new(e.Time.UnixMilli()),
			IngestionTime: new(e.Ingested.UnixMilli()),
			Message:       new(e.Text),
		}
	}
	first, last := q.After, q.After
	if len(events) > 0 {
		first, last = events[0].ID, events[len(events)-1].ID
	}
	out.NextBackwardToken, out.NextForwardToken = pageToken("b/", first), pageToken("f/", last)
	return out, nil
}

// origin is the start of an empty stream, in a token.
var origin = strings.Repeat("0", 56)

func pageToken(way, id string) *string {
	if id == "" {
		id = origin
	}
	return new(way + id + "/s")
}

// pageQuery reads where the page begins. The token gives the direction; without a
// token, StartFromHead does.
func pageQuery(in *cwl.GetLogEventsInput) (q logstore.Query, err error) {
	if in.NextToken == nil {
		q.Backward = in.StartFromHead == nil || !*in.StartFromHead
		return q, nil
	}
	way, id, _ := strings.Cut(strings.TrimSuffix(*in.NextToken, "/s"), "/")
	if way != "f" && way != "b" || !logstore.ValidID(id) {
		return q, badToken()
	}
	return logstore.Query{After: id, Backward: way == "b"}, nil
}

// span is the range of a page of g's events, without those that have expired.
func (g *Group) span(from, to *int64, page handler.Page) logstore.Range {
	r := logstore.Range{From: g.expiry(time.Now()), Limit: page.Size, Bytes: pageBytes}
	if from != nil {
		if t := time.UnixMilli(*from); t.After(r.From) {
			r.From = t
		}
	}
	if to != nil {
		r.To = time.UnixMilli(*to)
	}
	return r
}

// FilterLogEvents returns a page of the events of many streams, in the order of
// time.
func (a *API) FilterLogEvents(ctx context.Context, in *cwl.FilterLogEventsInput) (*cwl.FilterLogEventsOutput, error) {
	if err := checkFilter(in); err != nil {
		return nil, err
	}
	match, err := pattern.Parse(aws.ToString(in.FilterPattern))
	if err != nil {
		return nil, invalid("Invalid filter pattern: %s", err)
	}
	page, err := eventPages.Open(in.Limit, in.NextToken, "FilterLogEvents")
	if err != nil {
		return nil, err
	}
	name, err := a.groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	g, all, err := a.groupStreams(ctx, name, aws.ToString(in.LogStreamNamePrefix))
	if err != nil {
		return nil, err
	}
	if all, err = named(all, in.LogStreamNames); err != nil {
		return nil, err
	}
	end := in.EndTime
	if end != nil {
		end = new(*end + 1) // the end time is included
	}
	q := logstore.Search{Range: g.span(in.StartTime, end, page), After: page.After, Match: match, Streams: []string{}}
	names := map[string]string{}
	for _, s := range all {
		q.Streams, names[s.ID] = append(q.Streams, s.ID), s.Name
	}
	events, next, err := a.events.Filter(ctx, g.ID, q)
	if err != nil {
		return nil, err
	}
	return wireFiltered(events, names, page, next), nil
}

func checkFilter(in *cwl.FilterLogEventsInput) error {
	if in.StartFromHead != nil && !*in.StartFromHead {
		return invalid("The parameter 'StartFromHead' is not supported by Skylift when it is false.")
	}
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil {
		return invalid("LogStreamNamePrefix and LogStreamNames are mutually exclusive parameters.")
	}
	return nil
}

func wireFiltered(events []logstore.Event, names map[string]string, page handler.Page, next string) *cwl.FilterLogEventsOutput {
	out := &cwl.FilterLogEventsOutput{
		Events:             make([]types.FilteredLogEvent, len(events)),
		SearchedLogStreams: []types.SearchedLogStream{}, // always empty on AWS, too
	}
	for i, e := range events {
		out.Events[i] = types.FilteredLogEvent{
			EventId:       new(e.ID),
			IngestionTime: new(e.Ingested.UnixMilli()),
			LogStreamName: new(names[e.Stream]),
			Message:       new(e.Text),
			Timestamp:     new(e.Time.UnixMilli()),
		}
	}
	if next != "" {
		out.NextToken = page.Next(next)
	}
	return out
}
