package wiretest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

// ignored is what SDK values have for its own sake.
var ignored = cmp.FilterPath(func(p cmp.Path) bool { return strings.HasPrefix(p.Last().String(), ".noSmithyDocumentSerde") }, cmp.Ignore())

// sqsService is a few operations of SQS, as it is described for tests.
func sqsService(t *testing.T) *wire.Service {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", "sqs.json"))
	if err != nil {
		t.Fatal(err)
	}
	desc := new(descriptor.Service)
	if err := json.Unmarshal(b, desc); err != nil {
		t.Fatal(err)
	}
	s, err := wire.NewDescribed(desc,
		none[sqs.CreateQueueInput, sqs.CreateQueueOutput]("CreateQueue"), none[sqs.GetQueueAttributesInput, sqs.GetQueueAttributesOutput]("GetQueueAttributes"),
		none[sqs.SendMessageBatchInput, sqs.SendMessageBatchOutput]("SendMessageBatch"), none[sqs.ReceiveMessageInput, sqs.ReceiveMessageOutput]("ReceiveMessage"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func none[I, O any](name string) wire.Operation {
	return wire.Op(name, func(context.Context, *I) (*O, error) { return nil, nil }).Takes("*").On("*: *").Lacks("*", "it is for a test")
}

// TestSQSByQuery: old clients speak awsQuery, whose names for lists and maps are others than those of JSON.
func TestSQSByQuery(t *testing.T) {
	t.Parallel()
	s := sqsService(t)
	for _, tc := range []struct {
		form string
		want any
	}{
		{
			"Action=CreateQueue&Version=2012-11-05&QueueName=q&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=40&Tag.1.Key=k&Tag.1.Value=v",
			&sqs.CreateQueueInput{QueueName: new("q"), Attributes: map[string]string{"VisibilityTimeout": "40"}, Tags: map[string]string{"k": "v"}},
		},
		{
			"Action=GetQueueAttributes&QueueUrl=u&AttributeName.1=All",
			&sqs.GetQueueAttributesInput{QueueUrl: new("u"), AttributeNames: []types.QueueAttributeName{"All"}},
		},
		{
			"Action=SendMessageBatch&QueueUrl=u&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=b" +
				"&SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=s&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String",
			&sqs.SendMessageBatchInput{QueueUrl: new("u"), Entries: []types.SendMessageBatchRequestEntry{{
				Id: new("a"), MessageBody: new("b"), MessageAttributes: map[string]types.MessageAttributeValue{"n": {StringValue: new("s"), DataType: new("String")}},
			}}},
		},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tc.form))
		c, err := s.Decode(r, []byte(tc.form))
		if err != nil {
			t.Errorf("%s: %v", tc.form, err)
			continue
		}
		if diff := cmp.Diff(tc.want, c.Input, ignored); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.form, diff)
		}
	}
	const ask = "Action=ReceiveMessage&QueueUrl=u"
	c, err := s.Decode(httptest.NewRequest(http.MethodPost, "/", nil), []byte(ask))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := s.Encode(w, c, "req-1", &sqs.ReceiveMessageOutput{Messages: []types.Message{{Body: new("b"), Attributes: map[string]string{"SenderId": "i"}}}}); err != nil {
		t.Fatal(err)
	}
	const want = "<ReceiveMessageResult><Message><Attribute><Name>SenderId</Name><Value>i</Value></Attribute><Body>b</Body></Message></ReceiveMessageResult>"
	if got := w.Body.String(); !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestSQSErrors: JSON has the name of the shape, and the old code in a header, where clients look for it.
func TestSQSErrors(t *testing.T) {
	t.Parallel()
	s := sqsService(t)
	w := httptest.NewRecorder()
	s.EncodeError(wire.AWSJSON10, w, "req-1", &types.QueueDoesNotExist{Message: new("none")})
	if got := w.Header().Get("X-Amzn-Query-Error"); got != "AWS.SimpleQueueService.NonExistentQueue;Sender" {
		t.Errorf("X-Amzn-Query-Error is %q", got)
	}
	if got := w.Body.String(); got != `{"__type":"QueueDoesNotExist","message":"none"}` {
		t.Errorf("by JSON: %s", got)
	}
	w = httptest.NewRecorder()
	s.EncodeError(wire.AWSQuery, w, "req-1", &types.QueueDoesNotExist{Message: new("none")})
	if !strings.Contains(w.Body.String(), "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>") {
		t.Errorf("an old client reads %s", w.Body)
	}
}
