package logs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/wire"
)

// serve answers for a as the gateway does, but for signatures.
func serve(t *testing.T, a *API) (url string) {
	t.Helper()
	svc, err := wire.NewService("logs", a.Operations()...)
	must(t, err)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		call, err := svc.Decode(r, body)
		if err != nil {
			svc.EncodeError(wire.AWSJSON11, w, "id", err)
			return
		}
		out, err := call.Do(r.Context())
		if err != nil {
			svc.EncodeError(wire.AWSJSON11, w, "id", err)
			return
		}
		err = svc.Encode(w, call, "id", out)
		if _, ok := errors.AsType[smithy.APIError](err); ok {
			svc.EncodeError(wire.AWSJSON11, w, "id", err)
		} else if err != nil && r.Context().Err() == nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestTheSDKReadsWhatItPut(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	c := cwl.NewFromConfig(aws.Config{
		Region:       "us-west-2",
		BaseEndpoint: new(serve(t, a)),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "k", SecretAccessKey: "s"}, nil
		}),
	})
	_, err := c.CreateLogGroup(t.Context(), &cwl.CreateLogGroupInput{LogGroupName: new("g"), Tags: map[string]string{"a": "1"}})
	must(t, err)
	_, err = c.CreateLogStream(t.Context(), &cwl.CreateLogStreamInput{LogGroupName: new("g"), LogStreamName: new("s/[1]")})
	must(t, err)
	at := time.Now().UnixMilli()
	_, err = c.PutLogEvents(t.Context(), &cwl.PutLogEventsInput{
		LogGroupName: new("g"), LogStreamName: new("s/[1]"),
		LogEvents: []types.InputLogEvent{{Timestamp: &at, Message: new("grüße \x01 & <b>")}},
	})
	must(t, err)
	out, err := c.FilterLogEvents(t.Context(), &cwl.FilterLogEventsInput{LogGroupName: new("g")})
	must(t, err)
	if len(out.Events) != 1 || *out.Events[0].Message != "grüße \x01 & <b>" || *out.Events[0].Timestamp != at {
		t.Errorf("got %+v", out.Events)
	}
	_, err = c.GetLogEvents(t.Context(), &cwl.GetLogEventsInput{LogGroupName: new("none"), LogStreamName: new("s")})
	if !isNotFound(err) {
		t.Errorf("of no group: got %v", err)
	}
}
