package logs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/logstore"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// liveClient is a client of a whose requests get there whatever host they are for: that of a session begins with stream-.
func liveClient(t *testing.T, a *API) *cwl.Client {
	t.Helper()
	url := serve(t, a)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if !strings.HasPrefix(address, "stream-logs.test:") {
			return nil, fmt.Errorf("%s is not the host of Live Tail sessions", address)
		}
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(url, "http://"))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return cwl.New(cwl.Options{
		Region: "us-west-2", BaseEndpoint: new("http://logs.test"), HTTPClient: &http.Client{Transport: transport}, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
	})
}

// TestLiveTail has the SDK's own reader see what is stored while a session is open, and nothing else.
func TestLiveTail(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	withStreams(t, a, "g", "web/1", "db/1")
	withStreams(t, a, "other", "s")
	put(t, a, "g", "web/1", 9)
	arn := a.groupARN("g")
	out, err := liveClient(t, a).StartLiveTail(t.Context(), &cwl.StartLiveTailInput{
		LogGroupIdentifiers: []string{arn}, LogStreamNamePrefixes: []string{"web/"}, LogEventFilterPattern: new("-2"),
	})
	must(t, err)
	stream := out.GetStream()
	start, ok := (<-stream.Events()).(*types.StartLiveTailResponseStreamMemberSessionStart)
	if !ok || *start.Value.RequestId != "id" || *start.Value.SessionId == "" || start.Value.LogGroupIdentifiers[0] != arn ||
		start.Value.LogStreamNamePrefixes[0] != "web/" || *start.Value.LogEventFilterPattern != "-2" {
		t.Fatalf("session start: %+v", start)
	}
	put(t, a, "g", "web/1", 3, 2, 1)
	put(t, a, "g", "db/1", 5)
	put(t, a, "other", "s", 6)
	_, err = a.CreateLogStream(t.Context(), &cwl.CreateLogStreamInput{LogGroupName: new("g"), LogStreamName: new("web/2")})
	must(t, err)
	put(t, a, "g", "web/2", 4)
	var got []string
	for len(got) < 3 {
		u, ok := (<-stream.Events()).(*types.StartLiveTailResponseStreamMemberSessionUpdate)
		if !ok {
			t.Fatalf("the stream ends: %v", stream.Err())
		}
		for _, e := range u.Value.SessionResults {
			if *e.LogGroupIdentifier != arn || *e.Timestamp == 0 || *e.IngestionTime == 0 {
				t.Errorf("event %+v", e)
			}
			got = append(got, *e.LogStreamName+" "+*e.Message)
		}
		if u.Value.SessionMetadata.Sampled {
			t.Error("an update of few events is a sample")
		}
	}
	if want := "web/1 3, web/1 1, web/2 4"; strings.Join(got, ", ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	must(t, stream.Close())
}

func TestLiveTailRefuses(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	withStreams(t, a, "g")
	client := liveClient(t, a)
	for _, tc := range []struct {
		in   cwl.StartLiveTailInput
		code string
	}{
		{cwl.StartLiveTailInput{LogGroupIdentifiers: []string{"nope"}}, "ResourceNotFoundException"},
		{cwl.StartLiveTailInput{LogGroupIdentifiers: []string{"g"}, LogEventFilterPattern: new("{ $.a = }")}, "InvalidParameterException"},
		{cwl.StartLiveTailInput{LogGroupIdentifiers: strings.Split("a b c d e f g h i j k", " ")}, "InvalidParameterException"},
		{cwl.StartLiveTailInput{LogGroupIdentifiers: []string{}}, "InvalidParameterException"},
	} {
		_, err := client.StartLiveTail(t.Context(), &tc.in)
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != tc.code {
			t.Errorf("%+v: %v, want %s", tc.in, err, tc.code)
		}
	}
	wiretest.Told(t, "logs", a.Operations(), &cwl.StartLiveTailInput{
		LogGroupIdentifiers: []string{a.groupARN("g") + ":*", "h"}, LogStreamNames: []string{"a"}, LogStreamNamePrefixes: []string{"a"},
	}, "InvalidParameterException", "asterisk", "mutually exclusive", "only with one log group")
	a.tails.Store(maxTails)
	_, err := client.StartLiveTail(t.Context(), &cwl.StartLiveTailInput{LogGroupIdentifiers: []string{"g"}})
	if _, ok := errors.AsType[*types.LimitExceededException](err); !ok || a.tails.Load() != maxTails {
		t.Errorf("one session more: %v", err)
	}
}

// play runs a session of 1,000 streams' worth of nothing but what is put into it, on simulated time.
func play(t *testing.T, send func(types.LiveTailSessionUpdate) error, also func(*tail)) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &tail{came: make(chan batch, maxTailBatches), name: func(logstore.Stream) (string, string, bool) { return "g", "s", true }}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if also != nil {
			go func() {
				also(s)
				cancel()
			}()
		}
		err = s.run(ctx, send)
	})
	return err
}

func TestLiveTailEndsAfterThreeHours(t *testing.T) {
	t.Parallel()
	updates := 0
	err := play(t, func(u types.LiveTailSessionUpdate) error {
		if updates++; u.SessionResults == nil || len(u.SessionResults) > 0 || u.SessionMetadata.Sampled {
			t.Errorf("update %+v", u)
		}
		return nil
	}, nil)
	if _, ok := errors.AsType[*types.SessionTimeoutException](err); !ok || updates < 3*3600-1 {
		t.Errorf("%d updates, then %v", updates, err)
	}
}

func events(n int) []logstore.Event {
	list := make([]logstore.Event, n)
	for i := range list {
		list[i] = logstore.Event{Time: time.Now(), Ingested: time.Now(), Text: fmt.Sprintf("%05d", i)}
	}
	return list
}

// TestLiveTailSamples: of more than 500 events a second there are 500, in order, from the first to the last.
func TestLiveTailSamples(t *testing.T) {
	t.Parallel()
	for _, n := range []int{499, 500, 501, 20_000} {
		var got []types.LiveTailSessionUpdate
		err := play(t, func(u types.LiveTailSessionUpdate) error {
			got = append(got, u)
			return nil
		}, func(s *tail) {
			s.take(logstore.Stream{}, events(n))
			time.Sleep(tailEvery + tailEvery/2)
		})
		if err != nil || len(got) != 1 {
			t.Fatalf("%d updates, %v", len(got), err)
		}
		u := got[0]
		if len(u.SessionResults) != min(n, maxTailEvents) || u.SessionMetadata.Sampled != (n > maxTailEvents) {
			t.Errorf("of %d: %d events, sampled: %v", n, len(u.SessionResults), u.SessionMetadata.Sampled)
		}
		for i, e := range u.SessionResults[1:] {
			if *e.Message <= *u.SessionResults[i].Message {
				t.Errorf("of %d: %s comes behind %s", n, *e.Message, *u.SessionResults[i].Message)
			}
		}
		if last := *u.SessionResults[len(u.SessionResults)-1].Message; n == 20_000 && last < "15000" {
			t.Errorf("the last of the sample is %s of %d", last, n)
		}
	}
}

// TestLiveTailDropsTheOldest: a slow client gets the updates of the last seconds, and a session never waits for it.
func TestLiveTailDropsTheOldest(t *testing.T) {
	t.Parallel()
	var got []string
	err := play(t, func(u types.LiveTailSessionUpdate) error {
		for _, e := range u.SessionResults {
			got = append(got, *e.Message)
		}
		time.Sleep(30 * time.Second)
		return nil
	}, func(s *tail) {
		for i := range 30 {
			s.take(logstore.Stream{}, []logstore.Event{{Text: fmt.Sprint(i)}})
			time.Sleep(tailEvery)
		}
		time.Sleep(tailEvery / 2)
	})
	if want := "0 20 21 22 23 24 25 26 27 28 29"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("got %v, %v, want %s", got, err, want)
	}
}

// TestLiveTailThatFallsBehind says so.
func TestLiveTailThatFallsBehind(t *testing.T) {
	t.Parallel()
	s := &tail{came: make(chan batch)}
	s.take(logstore.Stream{}, events(1))
	if u := new(sample).update(s.late.Swap(false)); !u.SessionMetadata.Sampled {
		t.Error("nothing says that events are missing")
	}
	gone := errors.New("the client is gone")
	if err := play(t, func(types.LiveTailSessionUpdate) error { return gone }, nil); !errors.Is(err, gone) {
		t.Errorf("a send that fails: %v", err)
	}
}
