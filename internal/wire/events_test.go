package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/eventstream"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/wire/descriptor"
	"github.com/skylift/skylift/internal/wire/rpccbor"
)

// tailEvents are those of StartLiveTail.
var tailEvents = []logstypes.StartLiveTailResponseStream{
	&logstypes.StartLiveTailResponseStreamMemberSessionStart{}, &logstypes.StartLiveTailResponseStreamMemberSessionUpdate{},
}

// answered runs an operation's handler and returns the answer, or the error in its place.
func answered(t *testing.T, s *Service, r *http.Request, body []byte) *http.Response {
	t.Helper()
	c, err := s.Decode(r, body)
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Do(t.Context())
	if err != nil || !c.Lasts() {
		t.Fatalf("%v, lasts: %v", err, c.Lasts())
	}
	w := httptest.NewRecorder()
	err = s.Encode(w, c, "req-1", out)
	if w.Code == http.StatusOK && w.Body.Len() == 0 || errors.Is(err, ErrCut) != (w.Body.Len() > 0 && err != nil) {
		s.EncodeError(s.Protocols()[0], w, "req-1", err)
	}
	return w.Result()
}

// TestTheSDKReadsEvents: with its own reader, and what ends them.
func TestTheSDKReadsEvents(t *testing.T) {
	t.Parallel()
	want := &logstypes.StartLiveTailResponseStreamMemberSessionUpdate{Value: logstypes.LiveTailSessionUpdate{
		SessionMetadata: &logstypes.LiveTailSessionMetadata{Sampled: true},
		SessionResults:  []logstypes.LiveTailSessionLogEvent{{Message: new("é<&\x01"), Timestamp: new(int64(7))}},
	}}
	for name, tc := range map[string]struct {
		events int
		end    error
		sees   func(error) bool
	}{
		"the end":         {2, nil, func(err error) bool { return err == nil }},
		"no event":        {0, nil, func(err error) bool { return err == nil }},
		"a modelled one":  {1, &logstypes.SessionTimeoutException{Message: new("over")}, func(err error) bool { return isA[*logstypes.SessionTimeoutException](err, "over") }},
		"another one":     {1, awserr.New("Throttling", "slow down"), func(err error) bool { return isA[smithy.APIError](err, "slow down") }},
		"a fault of ours": {1, errors.New("secret"), func(err error) bool { return isA[smithy.APIError](err, "internal error") }},
	} {
		s, err := NewService("logs", OpEvents("StartLiveTail", func(_ context.Context, _ *cwl.StartLiveTailInput, to Events[logstypes.StartLiveTailResponseStream]) error {
			for range tc.events {
				if err := to.Send(want); err != nil {
					t.Error(err)
				}
			}
			return tc.end
		}, tailEvents...).
			On("*: *").Takes("*"))
		if err != nil {
			t.Fatal(err)
		}
		client := cwl.NewFromConfig(sdkConfig(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			res := answered(t, s, r, body)
			if got := res.Header.Get("Content-Type"); got != "application/vnd.amazon.eventstream" {
				t.Errorf("%s: Content-Type is %s", name, got)
			}
			return res, nil
		}))
		out, err := client.StartLiveTail(t.Context(), &cwl.StartLiveTailInput{LogGroupIdentifiers: []string{"g"}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n := 0
		for got := range out.GetStream().Events() {
			n++
			if diff := cmp.Diff(want, got, comparers...); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		if err := out.GetStream().Err(); n != tc.events || !tc.sees(err) {
			t.Errorf("%s: %d events, then %v", name, n, err)
		}
	}
}

func isA[E interface {
	error
	ErrorMessage() string
}](err error, message string) bool {
	e, ok := errors.AsType[E](err)
	return ok && e.ErrorMessage() == message
}

// TestAnErrorBeforeTheFirstEvent is the answer.
func TestAnErrorBeforeTheFirstEvent(t *testing.T) {
	t.Parallel()
	s, err := NewService("logs", OpEvents("StartLiveTail", func(context.Context, *cwl.StartLiveTailInput, Events[logstypes.StartLiveTailResponseStream]) error {
		return &logstypes.LimitExceededException{Message: new("m")}
	}, tailEvents...).
		On("*: *").Takes("*"))
	if err != nil {
		t.Fatal(err)
	}
	client := cwl.NewFromConfig(sdkConfig(func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		return answered(t, s, r, body), nil
	}))
	if _, err := client.StartLiveTail(t.Context(), &cwl.StartLiveTailInput{LogGroupIdentifiers: []string{"g"}}); !isA[*logstypes.LimitExceededException](err, "m") {
		t.Errorf("got %v", err)
	}
}

// TestEventsInXML: S3's have payloads of bytes and of structures, and one has nothing.
func TestEventsInXML(t *testing.T) {
	t.Parallel()
	want := []s3types.SelectObjectContentEventStream{
		&s3types.SelectObjectContentEventStreamMemberRecords{Value: s3types.RecordsEvent{Payload: []byte("a,b\n\x00")}},
		&s3types.SelectObjectContentEventStreamMemberCont{},
		&s3types.SelectObjectContentEventStreamMemberStats{Value: s3types.StatsEvent{Details: &s3types.Stats{BytesReturned: new(int64(7))}}},
		&s3types.SelectObjectContentEventStreamMemberEnd{},
	}
	s, err := newService(load(t, "s3"), []Operation{OpEvents("SelectObjectContent", func(_ context.Context, _ *s3.SelectObjectContentInput, to Events[s3types.SelectObjectContentEventStream]) error {
		for _, e := range want {
			if err := to.Send(e); err != nil {
				return err
			}
		}
		return nil
	}, append(want, &s3types.SelectObjectContentEventStreamMemberProgress{})...).On("*: *").Takes("*")})
	if err != nil {
		t.Fatal(err)
	}
	client := s3Client(sdkConfig(func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		return answered(t, s, r, body), nil
	}))
	out, err := client.SelectObjectContent(t.Context(), &s3.SelectObjectContentInput{
		Bucket: new("b"), Key: new("k"), Expression: new("e"), ExpressionType: "SQL", InputSerialization: &s3types.InputSerialization{}, OutputSerialization: &s3types.OutputSerialization{},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []s3types.SelectObjectContentEventStream
	for e := range out.GetStream().Events() {
		got = append(got, e)
	}
	if diff := cmp.Diff(want, got, comparers...); diff != "" || out.GetStream().Err() != nil {
		t.Errorf("%v (-want +got):\n%s", out.GetStream().Err(), diff)
	}
}

// The SDK has no service with events in CBOR here: one is made up.
type (
	pourInput  struct{}
	pourStream interface{ pours() }
	pourDrop   struct {
		Kind *string
		Size *int32
		At   *time.Time
		Tea  *string
	}
	pourStreamMemberDrop struct{ Value pourDrop }
)

func (*pourStreamMemberDrop) pours() {}

func pouring() *descriptor.Service {
	return &descriptor.Service{
		SigningName: "tea", Title: "Tea", Protocols: []string{"rpcv2cbor"}, Version: "1", Target: "Tea",
		Operations: map[string]descriptor.Operation{"Pour": {Input: "In", Output: "Out"}},
		Shapes: map[string]*descriptor.Shape{
			"String": {Type: "string"}, "Int": {Type: "integer"}, "Time": {Type: "timestamp"},
			"In": {Type: "structure"}, "Out": {Type: "structure", Members: []descriptor.Member{{Name: "drops", Shape: "Drops"}}},
			"Drops": {Type: "structure", Events: true, Members: []descriptor.Member{{Name: "drop", Shape: "Drop"}}},
			"Drop": {Type: "structure", Members: []descriptor.Member{
				{Name: "kind", Shape: "String", In: "eventheader"}, {Name: "size", Shape: "Int", In: "eventheader"}, {Name: "at", Shape: "Time", In: "eventheader"}, {Name: "tea", Shape: "String"},
			}},
		},
	}
}

func TestEventsInCBOR(t *testing.T) {
	t.Parallel()
	at := when
	pour := func(_ context.Context, _ *pourInput, to Events[pourStream]) error {
		return to.Send(&pourStreamMemberDrop{pourDrop{Kind: new("big"), Size: new(int32(3)), At: &at, Tea: new("green")}})
	}
	s, err := newService(pouring(), []Operation{OpEvents("Pour", pour, pourStream(&pourStreamMemberDrop{})).Takes("*")})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/service/Tea/operation/Pour", nil)
	r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	res := answered(t, s, r, nil)
	if res.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" {
		t.Errorf("head: %v", res.Header)
	}
	raw, _ := io.ReadAll(res.Body)
	in := bytes.NewReader(raw)
	first, err := eventstream.NewDecoder().Decode(in, nil)
	if err != nil || first.Headers.Get(":event-type").String() != "initial-response" || string(first.Payload) != "\xa0" {
		t.Errorf("the first message is %+v, %v", first, err)
	}
	m, err := eventstream.NewDecoder().Decode(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		":message-type": "event", ":event-type": "drop", ":content-type": "application/cbor", "kind": "big", "size": int32(3), "at": at,
	} {
		if got := m.Headers.Get(name).Get(); !cmp.Equal(got, want) {
			t.Errorf("header %s is %v, want %v", name, got, want)
		}
	}
	if v, err := rpccbor.Parse(m.Payload); err != nil || len(v.Names) != 1 || v.Names[0] != "tea" || v.Items[0].Text != "green" {
		t.Errorf("payload %q is %+v, %v", m.Payload, v, err)
	}
	if in.Len() > 0 {
		t.Errorf("%d bytes follow", in.Len())
	}
	if _, err := newService(pouring(), []Operation{OpEvents[pourInput, pourStream]("Pour", pour).Takes("*")}); err == nil {
		t.Error("an operation that leaves out an event is taken")
	}
}
