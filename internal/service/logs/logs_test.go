package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/logstore"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

func newAPI(t *testing.T) *API {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	events, err := logstore.Open(t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := events.Close(); err != nil {
			t.Error(err)
		}
	})
	return New(Config{
		DB:        memstore.New(),
		Events:    events,
		Namespace: arn.Namespace{Region: "us-west-2", Account: "123456789012"},
		Log:       log,
	})
}

// withStreams makes a group with streams.
func withStreams(t *testing.T, a *API, group string, streams ...string) {
	t.Helper()
	_, err := a.CreateLogGroup(t.Context(), &cwl.CreateLogGroupInput{LogGroupName: &group})
	must(t, err)
	for _, s := range streams {
		_, err := a.CreateLogStream(t.Context(), &cwl.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &s})
		must(t, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put stores events whose texts are their ages in seconds before now.
func put(t *testing.T, a *API, group, stream string, ages ...int) *cwl.PutLogEventsOutput {
	t.Helper()
	in := &cwl.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream}
	now := time.Now()
	for _, age := range ages {
		at := now.Add(-time.Duration(age) * time.Second).UnixMilli()
		in.LogEvents = append(in.LogEvents, types.InputLogEvent{Timestamp: &at, Message: new(fmt.Sprint(age))})
	}
	out, err := a.PutLogEvents(t.Context(), in)
	must(t, err)
	return out
}

func get(t *testing.T, a *API, in *cwl.GetLogEventsInput) (texts string, out *cwl.GetLogEventsOutput) {
	t.Helper()
	in.LogGroupName, in.LogStreamName = new("g"), new("s")
	out, err := a.GetLogEvents(t.Context(), in)
	must(t, err)
	var all []string
	for _, e := range out.Events {
		all = append(all, *e.Message)
	}
	return strings.Join(all, " "), out
}

func TestGetLogEventsTokens(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	withStreams(t, a, "g", "s")
	_, empty := get(t, a, &cwl.GetLogEventsInput{})
	put(t, a, "g", "s", 5, 4, 3, 2, 1)

	texts, last := get(t, a, &cwl.GetLogEventsInput{Limit: new(int32(2))})
	if texts != "2 1" {
		t.Errorf("without a token: got %s, want the last two", texts)
	}
	texts, before := get(t, a, &cwl.GetLogEventsInput{Limit: new(int32(2)), NextToken: last.NextBackwardToken})
	if texts != "4 3" {
		t.Errorf("backward: got %s", texts)
	}
	texts, _ = get(t, a, &cwl.GetLogEventsInput{NextToken: before.NextForwardToken, StartFromHead: new(true)})
	if texts != "2 1" {
		t.Errorf("forward again: got %s", texts)
	}
	texts, end := get(t, a, &cwl.GetLogEventsInput{NextToken: last.NextForwardToken, StartFromHead: new(true)})
	if texts != "" || *end.NextForwardToken != *last.NextForwardToken {
		t.Errorf("at the end: got %q and %s, want the same token, %s", texts, *end.NextForwardToken, *last.NextForwardToken)
	}
	texts, first := get(t, a, &cwl.GetLogEventsInput{StartFromHead: new(true), Limit: new(int32(1))})
	_, start := get(t, a, &cwl.GetLogEventsInput{NextToken: first.NextBackwardToken})
	if texts != "5" || *start.NextBackwardToken != *first.NextBackwardToken {
		t.Errorf("at the start: got %q and %s, want the same token", texts, *start.NextBackwardToken)
	}
	put(t, a, "g", "s", 0)
	if texts, _ = get(t, a, &cwl.GetLogEventsInput{NextToken: end.NextForwardToken}); texts != "0" {
		t.Errorf("what came later: got %q", texts)
	}
	if texts, _ = get(t, a, &cwl.GetLogEventsInput{NextToken: empty.NextForwardToken}); texts != "5 4 3 2 1 0" {
		t.Errorf("forward from when it was empty: got %q", texts)
	}
}

func filter(t *testing.T, a *API, in cwl.FilterLogEventsInput) string {
	t.Helper()
	in.LogGroupName = new("g")
	var all []string
	for {
		out, err := a.FilterLogEvents(t.Context(), &in)
		must(t, err)
		for _, e := range out.Events {
			all = append(all, *e.LogStreamName+*e.Message)
		}
		if out.NextToken == nil {
			return strings.Join(all, " ")
		}
		in.NextToken = out.NextToken
	}
}

func TestFilterLogEvents(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	withStreams(t, a, "g", "a/1", "a/2", "b")
	put(t, a, "g", "a/1", 50, 30)
	put(t, a, "g", "a/2", 40, 20)
	put(t, a, "g", "b", 35)
	ago := func(s int) *int64 { return new(time.Now().Add(-time.Duration(s) * time.Second).UnixMilli()) }
	tests := []struct {
		name string
		in   cwl.FilterLogEventsInput
		want string
	}{
		{"all", cwl.FilterLogEventsInput{}, "a/150 a/240 b35 a/130 a/220"},
		{"one by one", cwl.FilterLogEventsInput{Limit: new(int32(1))}, "a/150 a/240 b35 a/130 a/220"},
		{"by prefix", cwl.FilterLogEventsInput{LogStreamNamePrefix: new("a/")}, "a/150 a/240 a/130 a/220"},
		{"by name", cwl.FilterLogEventsInput{LogStreamNames: []string{"b", "a/2"}}, "a/240 b35 a/220"},
		{"by time", cwl.FilterLogEventsInput{StartTime: ago(45), EndTime: ago(25)}, "a/240 b35 a/130"},
		{"by pattern", cwl.FilterLogEventsInput{FilterPattern: new("?40 ?20"), Interleaved: new(false)}, "a/240 a/220"}, //nolint:staticcheck // old clients send it
	}
	for _, tt := range tests {
		if got := filter(t, a, tt.in); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestPutLogEventsRejects(t *testing.T) {
	t.Parallel()
	const day = 24 * 3600
	a := newAPI(t)
	withStreams(t, a, "g", "s")
	if out := put(t, a, "g", "s", 14*day+60, 14*day+30, 14*day-60); *out.RejectedLogEventsInfo.TooOldLogEventEndIndex != 2 {
		t.Errorf("too old: got %+v", out.RejectedLogEventsInfo)
	}
	if out := put(t, a, "g", "s", 0, -7100, -7300); *out.RejectedLogEventsInfo.TooNewLogEventStartIndex != 2 {
		t.Errorf("too new: got %+v", out.RejectedLogEventsInfo)
	}
	_, err := a.PutRetentionPolicy(t.Context(), &cwl.PutRetentionPolicyInput{LogGroupName: new("g"), RetentionInDays: new(int32(3))})
	must(t, err)
	if out := put(t, a, "g", "s", 3*day+60, 3*day-60); *out.RejectedLogEventsInfo.ExpiredLogEventEndIndex != 1 {
		t.Errorf("expired: got %+v", out.RejectedLogEventsInfo)
	}
	if texts, _ := get(t, a, &cwl.GetLogEventsInput{}); texts != fmt.Sprint(3*day-60, " 0 -7100") {
		t.Errorf("kept: got %s", texts)
	}
}

const codeInvalid = "InvalidParameterException"

func TestErrors(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	withStreams(t, a, "g", "s")
	event := func(ms int64, text string) types.InputLogEvent {
		return types.InputLogEvent{Timestamp: &ms, Message: &text}
	}
	putEvents := func(events ...types.InputLogEvent) error {
		_, err := a.PutLogEvents(t.Context(), &cwl.PutLogEventsInput{LogGroupName: new("g"), LogStreamName: new("s"), LogEvents: events})
		return err
	}
	getEvents := func(in *cwl.GetLogEventsInput) error { _, err := a.GetLogEvents(t.Context(), in); return err }
	filterEvents := func(in *cwl.FilterLogEventsInput) error { _, err := a.FilterLogEvents(t.Context(), in); return err }
	createGroup := func(in *cwl.CreateLogGroupInput) error {
		if err := wiretest.Refusal(t, "logs", a.Operations(), in); err != nil {
			return err
		}
		_, err := a.CreateLogGroup(t.Context(), in)
		return err
	}
	createStream := func(g, s string) error {
		_, err := a.CreateLogStream(t.Context(), &cwl.CreateLogStreamInput{LogGroupName: &g, LogStreamName: &s})
		return err
	}
	_, retention := a.PutRetentionPolicy(t.Context(), &cwl.PutRetentionPolicyInput{LogGroupName: new("g"), RetentionInDays: new(int32(2))})
	_, deleted := a.DeleteLogGroup(t.Context(), &cwl.DeleteLogGroupInput{LogGroupName: new("none")})
	_, deletedStream := a.DeleteLogStream(t.Context(), &cwl.DeleteLogStreamInput{LogGroupName: new("g"), LogStreamName: new("none")})
	_, ordered := a.DescribeLogStreams(t.Context(), &cwl.DescribeLogStreamsInput{
		LogGroupName: new("g"), OrderBy: types.OrderByLastEventTime, LogStreamNamePrefix: new("s"),
	})
	big := strings.Repeat("x", 600<<10)
	tests := []struct {
		name          string
		err           error
		code, message string
	}{
		{"group exists", createGroup(&cwl.CreateLogGroupInput{LogGroupName: new("g")}), "ResourceAlreadyExistsException", "The specified log group already exists"},
		{"kms", createGroup(&cwl.CreateLogGroupInput{LogGroupName: new("h"), KmsKeyId: new("k")}), codeInvalid, "kmsKeyId"},
		{"class", createGroup(&cwl.CreateLogGroupInput{LogGroupName: new("h"), LogGroupClass: types.LogGroupClassInfrequentAccess}), codeInvalid, "logGroupClass"},
		{"group's name", createGroup(&cwl.CreateLogGroupInput{LogGroupName: new("a b")}), codeInvalid, "logGroupName"},
		{"stream exists", createStream("g", "s"), "ResourceAlreadyExistsException", "The specified log stream already exists"},
		{"stream's name", createStream("g", "a:b"), codeInvalid, "logStreamName"},
		{"stream without group", createStream("none", "s"), "ResourceNotFoundException", "The specified log group does not exist."},
		{"delete group", deleted, "ResourceNotFoundException", "The specified log group does not exist."},
		{"delete stream", deletedStream, "ResourceNotFoundException", "The specified log stream does not exist."},
		{"retention", retention, codeInvalid, "retentionInDays"},
		{"order", ordered, codeInvalid, "Cannot order by LastEventTime with a logStreamNamePrefix."},
		{"out of order", putEvents(event(2000, "a"), event(1000, "b")), codeInvalid, "chronological order"},
		{"more than a day", putEvents(event(0, "a"), event(86_400_001, "b")), codeInvalid, "24 hours"},
		{"too large", putEvents(event(0, big), event(0, big)), codeInvalid, "Upload too large: 1228852 bytes exceeds limit of 1048576"},
		{"event too large", putEvents(event(0, big+big)), codeInvalid, "Log event too large"},
		{"token", getEvents(&cwl.GetLogEventsInput{LogGroupName: new("g"), LogStreamName: new("s"), NextToken: new("x")}), codeInvalid, "The specified nextToken is invalid."},
		{"no such stream", getEvents(&cwl.GetLogEventsInput{LogGroupName: new("g"), LogStreamName: new("t")}), "ResourceNotFoundException", "log stream"},
		{"name and identifier", getEvents(&cwl.GetLogEventsInput{LogGroupName: new("g"), LogGroupIdentifier: new("g"), LogStreamName: new("s")}), codeInvalid, "mutually exclusive"},
		{"neither", getEvents(&cwl.GetLogEventsInput{LogStreamName: new("s")}), codeInvalid, "logGroupIdentifier"},
		{"names and prefix", filterEvents(&cwl.FilterLogEventsInput{LogGroupName: new("g"), LogStreamNames: []string{"s"}, LogStreamNamePrefix: new("s")}), codeInvalid, "mutually exclusive"},
		{"filter's token", filterEvents(&cwl.FilterLogEventsInput{LogGroupName: new("g"), NextToken: new("x")}), codeInvalid, "nextToken"},
		{"pattern", filterEvents(&cwl.FilterLogEventsInput{LogGroupName: new("g"), FilterPattern: new("[a]")}), codeInvalid, "filter pattern"},
		{"no such named stream", filterEvents(&cwl.FilterLogEventsInput{LogGroupName: new("g"), LogStreamNames: []string{"s", "t"}}), "ResourceNotFoundException", "log stream"},
	}
	for _, tt := range tests {
		e, ok := errors.AsType[smithy.APIError](tt.err)
		if !ok || e.ErrorCode() != tt.code || !strings.Contains(e.ErrorMessage(), tt.message) {
			t.Errorf("%s: got %v, want %s with %q", tt.name, tt.err, tt.code, tt.message)
		}
	}
}

func TestDescribeLogGroups(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, n := range []string{"/ecs/b", "/ecs/a", "other", "/ecs/c"} {
		withStreams(t, a, n, "s")
	}
	put(t, a, "/ecs/a", "s", 9)
	describe := func(in cwl.DescribeLogGroupsInput) string {
		var names []string
		for {
			out, err := a.DescribeLogGroups(t.Context(), &in)
			must(t, err)
			for _, g := range out.LogGroups {
				names = append(names, *g.LogGroupName)
			}
			if out.NextToken == nil {
				return strings.Join(names, " ")
			}
			in.NextToken = out.NextToken
		}
	}
	tests := []struct {
		in   cwl.DescribeLogGroupsInput
		want string
	}{
		{cwl.DescribeLogGroupsInput{Limit: new(int32(1))}, "/ecs/a /ecs/b /ecs/c other"},
		{cwl.DescribeLogGroupsInput{LogGroupNamePrefix: new("/ecs"), Limit: new(int32(2))}, "/ecs/a /ecs/b /ecs/c"},
		{cwl.DescribeLogGroupsInput{LogGroupNamePattern: new("cs/b")}, "/ecs/b"},
		{cwl.DescribeLogGroupsInput{LogGroupIdentifiers: []string{"other", "arn:aws:logs:us-west-2:123456789012:log-group:/ecs/c"}}, "/ecs/c other"},
		{cwl.DescribeLogGroupsInput{LogGroupClass: types.LogGroupClassInfrequentAccess}, ""},
	}
	for _, tt := range tests {
		if got := describe(tt.in); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.in, got, tt.want)
		}
	}
	out, err := a.DescribeLogGroups(t.Context(), &cwl.DescribeLogGroupsInput{LogGroupNamePrefix: new("/ecs/a")})
	must(t, err)
	if g := out.LogGroups[0]; *g.Arn != "arn:aws:logs:us-west-2:123456789012:log-group:/ecs/a:*" || *g.StoredBytes != 27 {
		t.Errorf("got arn %s, %d bytes", *g.Arn, *g.StoredBytes)
	}
}

func TestDescribeLogStreams(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	withStreams(t, a, "g", "b", "a", "c", "empty")
	put(t, a, "g", "a", 20)
	put(t, a, "g", "b", 30, 10)
	put(t, a, "g", "c", 40)
	for _, tt := range []struct {
		in   cwl.DescribeLogStreamsInput
		want string
	}{
		{cwl.DescribeLogStreamsInput{}, "a b c empty"},
		{cwl.DescribeLogStreamsInput{Descending: new(true)}, "empty c b a"},
		{cwl.DescribeLogStreamsInput{LogStreamNamePrefix: new("e")}, "empty"},
		{cwl.DescribeLogStreamsInput{OrderBy: types.OrderByLastEventTime, Descending: new(true)}, "b a c empty"},
		{cwl.DescribeLogStreamsInput{OrderBy: types.OrderByLastEventTime}, "empty c a b"},
	} {
		tt.in.LogGroupIdentifier, tt.in.Limit = new("arn:aws:logs:us-west-2:123456789012:log-group:g:*"), new(int32(2))
		var names []string
		for {
			out, err := a.DescribeLogStreams(t.Context(), &tt.in)
			must(t, err)
			for _, s := range out.LogStreams {
				names = append(names, *s.LogStreamName)
			}
			if tt.in.NextToken = out.NextToken; out.NextToken == nil {
				break
			}
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	withStreams(t, a, "g")
	arn := new("arn:aws:logs:us-west-2:123456789012:log-group:g")
	_, err := a.TagResource(t.Context(), &cwl.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "1", "b": "2"}})
	must(t, err)
	_, err = a.UntagResource(t.Context(), &cwl.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}})
	must(t, err)
	out, err := a.ListTagsForResource(t.Context(), &cwl.ListTagsForResourceInput{ResourceArn: arn})
	must(t, err)
	if len(out.Tags) != 1 || out.Tags["b"] != "2" {
		t.Errorf("got %v", out.Tags)
	}
	service, err := wiretest.New("logs", a.Operations())
	must(t, err)
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint(i)] = ""
	}
	for _, tt := range []struct {
		name string
		tags map[string]string
		code string
	}{
		{"AWS's", map[string]string{"aws:x": "1"}, codeInvalid},
		{"AWS's in capitals", map[string]string{"AWS:x": "1"}, codeInvalid},
		{"a key of 129 letters", map[string]string{strings.Repeat("ж", 129): ""}, codeInvalid},
		{"one too many", many, "TooManyTagsException"},
	} {
		in := &cwl.TagResourceInput{ResourceArn: arn, Tags: tt.tags}
		_, err := service.Decode(t, in)
		if err == nil {
			_, err = a.TagResource(t.Context(), in)
		}
		if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != tt.code {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.code)
		}
	}
	_, err = service.Decode(t, &cwl.CreateLogGroupInput{LogGroupName: new("h"), Tags: map[string]string{"aws:x": "1"}})
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != codeInvalid || !strings.Contains(e.ErrorMessage(), "aws:x") {
		t.Errorf("a new group: got %v, want %s", err, codeInvalid)
	}
	_, err = a.TagResource(t.Context(), &cwl.TagResourceInput{ResourceArn: arn, Tags: map[string]string{strings.Repeat("ж", 128): strings.Repeat("ж", 256)}})
	must(t, err)
}

func TestANewGroupHasNothingOfTheOldOne(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	withStreams(t, a, "g", "s")
	put(t, a, "g", "s", 1)
	_, err := a.DeleteLogGroup(t.Context(), &cwl.DeleteLogGroupInput{LogGroupName: new("g")})
	must(t, err)
	withStreams(t, a, "g", "s")
	if texts, _ := get(t, a, &cwl.GetLogEventsInput{}); texts != "" {
		t.Errorf("stream: got %q", texts)
	}
	if got := filter(t, a, cwl.FilterLogEventsInput{}); got != "" {
		t.Errorf("group: got %q", got)
	}
	must(t, a.sweep(t.Context()))
	recs, err := a.records(t.Context())
	must(t, err)
	stored, err := a.stored(t.Context())
	must(t, err)
	if len(stored) != 0 || len(recs.streams) != 1 {
		t.Errorf("swept: %v is stored, %d stream records", stored, len(recs.streams))
	}
}

func TestRunAppliesRetention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t)
		withStreams(t, a, "g", "s", "t")
		_, err := a.PutRetentionPolicy(t.Context(), &cwl.PutRetentionPolicyInput{LogGroupName: new("g"), RetentionInDays: new(int32(1))})
		must(t, err)
		put(t, a, "g", "s", 80_000, 10)
		put(t, a, "g", "t", 10)
		go a.Run(t.Context()) //nolint:errcheck // ends with the test
		_, err = a.DeleteLogStream(t.Context(), &cwl.DeleteLogStreamInput{LogGroupName: new("g"), LogStreamName: new("t")})
		must(t, err)
		time.Sleep(7 * time.Hour)
		stored, err := a.stored(t.Context())
		must(t, err)
		for g := range stored {
			if n, err := a.events.GroupBytes(t.Context(), g); n != 28 || err != nil {
				t.Errorf("%d bytes are stored, %v; want the last event's 28", n, err)
			}
		}
		if texts, _ := get(t, a, &cwl.GetLogEventsInput{}); texts != "10" {
			t.Errorf("got %q", texts)
		}
	})
}

// without is a role that may not take an action.
func without(lacks string) caller.Judge {
	return func(_ context.Context, action, resource string, _ map[string][]string) error {
		if action == lacks {
			return awserr.New("AccessDeniedException", "no %s on %s", action, resource)
		}
		return nil
	}
}

func TestShipIsJudged(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	const group = "arn:aws:logs:us-west-2:123456789012:log-group:g:log-stream:"
	ensure := func(ctx context.Context) error { return a.EnsureStream(ctx, "g", "s", true) }
	put := func(ctx context.Context) error { return a.Ship(ctx, "g", "s", nil, "src", "1") }
	for _, c := range []struct {
		lacks string
		do    func(context.Context) error
		want  string
	}{
		{"logs:CreateLogStream", ensure, "no logs:CreateLogStream on " + group + "s"},
		{"logs:CreateLogGroup", ensure, "no logs:CreateLogGroup on " + group},
		{"", ensure, ""},
		{"logs:CreateLogGroup", ensure, ""}, // it is there
		{"logs:PutLogEvents", put, "no logs:PutLogEvents on " + group + "s"},
		{"logs:CreateLogStream", put, ""},
	} {
		got := ""
		if err := c.do(caller.WithJudge(t.Context(), without(c.lacks))); err != nil {
			got = err.Error()
		}
		if got != c.want && got != "api error AccessDeniedException: "+c.want {
			t.Errorf("without %s: %q, want %q", c.lacks, got, c.want)
		}
	}
}

func TestShip(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	if err := a.EnsureStream(t.Context(), "g", "s", false); !isNotFound(err) {
		t.Errorf("without group: got %v", err)
	}
	for range 2 {
		must(t, a.EnsureStream(t.Context(), "g", "s", true))
	}
	must(t, a.Ship(t.Context(), "g", "s", []logstore.Event{{Time: time.Now(), Text: "a\xffb"}}, "src", "1"))
	if texts, _ := get(t, a, &cwl.GetLogEventsInput{}); texts != "a\uFFFDb" {
		t.Errorf("got %q", texts)
	}
	if c, err := a.Cursor(t.Context(), "src"); c != "1" || err != nil {
		t.Errorf("cursor: got %q, %v", c, err)
	}
	must(t, a.DropCursors(t.Context(), "src"))
	if err := a.Ship(t.Context(), "g", "gone", nil, "src", "2"); !isNotFound(err) {
		t.Errorf("to a stream that is gone: got %v", err)
	}
}
