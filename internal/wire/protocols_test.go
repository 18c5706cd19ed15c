package wire

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
	"github.com/skylift/skylift/internal/wire/gzipped"
)

// CloudWatch speaks CBOR, JSON and awsQuery; SQS speaks JSON, and awsQuery with its old clients.

// otherModules is the SDK's module of each service that has a descriptor for tests only.
var otherModules = map[string]string{"monitoring": "cloudwatch", "sqs": "sqs", "s3": "s3", "route53": "route53"}

// cloudwatchUnions are CloudWatch's.
var cloudwatchUnions = []bind.Variants{Union[types.EvaluationCriteria](&types.EvaluationCriteriaMemberPromQLCriteria{})}

func cloudwatchOps(c *cloudwatch.Client) []sdkOp {
	return []sdkOp{
		call("DescribeAlarmHistory", c.DescribeAlarmHistory), call("GetMetricData", c.GetMetricData),
		call("DescribeAlarms", c.DescribeAlarms), call("PutMetricAlarm", c.PutMetricAlarm),
		call("ListMetrics", c.ListMetrics), call("PutMetricData", c.PutMetricData), call("SetAlarmState", c.SetAlarmState),
	}
}

func sqsOps(c *sqs.Client) []sdkOp {
	return []sdkOp{
		call("CreateQueue", c.CreateQueue), call("DeleteQueue", c.DeleteQueue), call("GetQueueAttributes", c.GetQueueAttributes),
		call("ReceiveMessage", c.ReceiveMessage), call("SendMessage", c.SendMessage), call("SendMessageBatch", c.SendMessageBatch),
	}
}

// load reads a descriptor in testdata.
func load(t testing.TB, name string) *descriptor.Service {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	desc := new(descriptor.Service)
	if err := json.Unmarshal(b, desc); err != nil {
		t.Fatal(err)
	}
	return desc
}

// tested makes a service of a descriptor in testdata.
func tested(t testing.TB, name string, ops []sdkOp) *Service {
	t.Helper()
	var list []Operation
	for _, o := range ops {
		list = append(list, o.Operation)
	}
	s, err := newService(load(t, name), list)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAServiceSpeaksSeveralProtocols(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]Protocol{"monitoring": {RPCv2CBOR, AWSJSON10, AWSQuery}, "sqs": {AWSJSON10, AWSQuery}} {
		if got := tested(t, name, nil).Protocols(); !slices.Equal(got, want) {
			t.Errorf("%s speaks %v, want %v", name, got, want)
		}
	}
}

// TestTheSDKIsUnderstoodInEachProtocol has the SDK send each operation's golden request, decodes it, and
// has it sent again: the same bytes. Then it fills each answer, and the SDK reads what was filled in.
func TestTheSDKIsUnderstoodInEachProtocol(t *testing.T) {
	t.Parallel()
	var sent *http.Request
	var body []byte
	var answer *http.Response
	cfg := sdkConfig(func(r *http.Request) (*http.Response, error) {
		raw, _ := io.ReadAll(r.Body)
		body, _ = gzipped.Plain(r, raw) // the SDK compresses what is long
		if sent = r; answer == nil {
			return nil, errCaptured
		}
		return answer, nil
	})
	for name, ops := range map[string][]sdkOp{
		"monitoring": cloudwatchOps(cloudwatch.NewFromConfig(cfg)),
		// The checksums of messages are a service's, and not right in what is filled in.
		"sqs": sqsOps(sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.DisableMessageChecksumValidation = true })),
	} {
		s := tested(t, name, ops)
		for _, o := range ops {
			r, golden := snapshot(t, name, o.Name())
			in, faults := decode(t, s, r, golden)
			if len(faults.Malformed) > 0 || slices.ContainsFunc(faults.Unknown, func(path string) bool { return !isNewer(name, path) }) {
				t.Errorf("%s %s: cannot read %+v", name, o.Name(), faults)
			}
			c := &Call{Operation: o.Name(), Input: in, op: s.faces[0].ops[o.Name()], face: s.faces[0]}
			answer = nil
			if _, err := o.call(t.Context(), c.Input); !errors.Is(err, errCaptured) {
				t.Fatalf("%s %s: send again: %v", name, o.Name(), err)
			}
			if !bytes.Equal(golden, body) && !sameBody(t, s, in, sent, body) {
				t.Errorf("%s %s: sent again as %q, want %q", name, o.Name(), body, golden)
			}
			want := reflect.New(c.op.out)
			fill(c.op.output, want.Elem(), 0)
			w := httptest.NewRecorder()
			if err := s.Encode(w, c, "req-1", want.Interface()); err != nil {
				t.Fatal(err)
			}
			answer = w.Result()
			got, err := o.call(t.Context(), c.Input)
			if err != nil {
				t.Fatalf("%s %s: %v\n%q", name, o.Name(), err, w.Body)
			}
			if diff := cmp.Diff(want.Interface(), got, comparers...); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", name, o.Name(), diff)
			}
		}
	}
}

// sameBody says whether a body, whose members stand in another order, says the same.
func sameBody(t *testing.T, s *Service, in any, r *http.Request, body []byte) bool {
	t.Helper()
	again, _ := decode(t, s, r, body)
	return cmp.Diff(in, again, comparers...) == ""
}

// TestOneRequestInEachProtocol asks the same by hand, and is answered in the same protocol.
func TestOneRequestInEachProtocol(t *testing.T) {
	t.Parallel()
	s := tested(t, "monitoring", cloudwatchOps(cloudwatch.New(cloudwatch.Options{})))
	for _, tc := range []struct {
		protocol      Protocol
		path, body    string
		header        map[string]string
		content, says string
	}{
		{
			RPCv2CBOR, "/service/GraniteServiceVersion20100801/operation/ListMetrics", "\xa1\x69Namespace\x65shops",
			map[string]string{"Smithy-Protocol": "rpc-v2-cbor"},
			"application/cbor", "\xa3\x67Metrics\x80\x69NextToken\x62n1\x6eOwningAccounts\x80",
		},
		{
			AWSJSON10, "/", `{"Namespace":"shops"}`,
			map[string]string{"X-Amz-Target": "GraniteServiceVersion20100801.ListMetrics"},
			"application/x-amz-json-1.0", `{"Metrics":[],"NextToken":"n1","OwningAccounts":[]}`,
		},
		{
			AWSQuery, "/", "Action=ListMetrics&Version=2010-08-01&Namespace=shops", nil, "text/xml;charset=UTF-8",
			"<ListMetricsResult><Metrics></Metrics><NextToken>n1</NextToken><OwningAccounts></OwningAccounts></ListMetricsResult>",
		},
	} {
		r := httptest.NewRequest(http.MethodPost, tc.path, strings.NewReader(tc.body))
		for k, v := range tc.header {
			r.Header.Set(k, v)
		}
		if p := s.Protocol(r, []byte(tc.body)); p != tc.protocol {
			t.Errorf("%s is taken for %s", tc.protocol, p)
			continue
		}
		c, err := s.Decode(r, []byte(tc.body))
		if err != nil {
			t.Errorf("%s: %v", tc.protocol, err)
			continue
		}
		if in := c.Input.(*cloudwatch.ListMetricsInput); in.Namespace == nil || *in.Namespace != "shops" {
			t.Errorf("%s: read %+v", tc.protocol, in)
		}
		w := httptest.NewRecorder()
		if err := s.Encode(w, c, "req-1", &cloudwatch.ListMetricsOutput{NextToken: new("n1")}); err != nil {
			t.Fatal(err)
		}
		if got := w.Header().Get("Content-Type"); got != tc.content || !strings.Contains(w.Body.String(), tc.says) {
			t.Errorf("%s: answered %s %q, want %s %q", tc.protocol, got, w.Body, tc.content, tc.says)
		}
	}
}

// TestErrorsOfAServiceThatSpokeQuery: the SDK knows a modelled error by its shape, and old clients by its
// old code.
func TestErrorsOfAServiceThatSpokeQuery(t *testing.T) {
	t.Parallel()
	const old = "InvalidParameterValue"
	var answer *http.Response
	client := cloudwatch.NewFromConfig(sdkConfig(func(*http.Request) (*http.Response, error) { return answer, nil }))
	s := tested(t, "monitoring", cloudwatchOps(client))
	for _, err := range []error{&types.InvalidParameterValueException{Message: new("No such metric.")}, awserr.New(old, "No such metric.")} {
		w := httptest.NewRecorder()
		s.EncodeError(RPCv2CBOR, w, "req-1", err)
		answer = w.Result()
		if got := w.Header().Get("X-Amzn-Query-Error"); got != old+";Sender" {
			t.Errorf("%T: X-Amzn-Query-Error is %q", err, got)
		}
		_, got := client.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{StartTime: new(time.Now()), EndTime: new(time.Now()), MetricDataQueries: []types.MetricDataQuery{{Id: new("a")}}})
		if e, ok := errors.AsType[*types.InvalidParameterValueException](got); !ok || e.ErrorMessage() != "No such metric." {
			t.Errorf("%T: the SDK reads %v", err, got)
		}
		w = httptest.NewRecorder()
		s.EncodeError(AWSJSON10, w, "req-1", err)
		if body := w.Body.String(); body != `{"__type":"InvalidParameterValueException","message":"No such metric."}` {
			t.Errorf("%T: a client by JSON reads %s", err, body)
		}
		w = httptest.NewRecorder()
		s.EncodeError(AWSQuery, w, "req-1", err)
		if !strings.Contains(w.Body.String(), "<Code>"+old+"</Code>") {
			t.Errorf("%T: an old client reads %s", err, w.Body)
		}
	}
}

// TestErrorsInCBOR: the SDK reads the code and the message.
func TestErrorsInCBOR(t *testing.T) {
	t.Parallel()
	var answer *http.Response
	client := cloudwatch.NewFromConfig(sdkConfig(func(*http.Request) (*http.Response, error) { return answer, nil }))
	s := tested(t, "monitoring", cloudwatchOps(client))
	w := httptest.NewRecorder()
	s.EncodeError(RPCv2CBOR, w, "req-1", awserr.New("Throttling", "Slow down."))
	answer = w.Result()
	_, err := client.ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{})
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != "Throttling" || api.ErrorMessage() != "Slow down." {
		t.Errorf("the SDK reads %v", err)
	}
}

func TestCompressedBodies(t *testing.T) {
	t.Parallel()
	s := tested(t, "monitoring", cloudwatchOps(cloudwatch.New(cloudwatch.Options{})))
	zip := func(body string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, body)
		_ = z.Close()
		return b.Bytes()
	}
	good := zip(`{"Namespace":"shops"}`)
	for name, tc := range map[string]struct {
		body []byte
		ok   bool
	}{
		"gzip": {good, true}, "cut": {good[:len(good)-9], false}, "plain": {[]byte(`{"Namespace":"shops"}`), false},
		"a bomb": {zip(`{"Namespace":"` + strings.Repeat("a", gzipped.Longest)), false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801.ListMetrics")
		r.Header.Set("Content-Encoding", "gzip")
		_, err := s.Decode(r, tc.body)
		if api, fault := errors.AsType[smithy.APIError](err); (err == nil) != tc.ok || err != nil && (!fault || api.ErrorFault() != smithy.FaultClient) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMalformedCBOR(t *testing.T) {
	t.Parallel()
	s := tested(t, "monitoring", cloudwatchOps(cloudwatch.New(cloudwatch.Options{})))
	for _, body := range []string{"\xff", "\x80", "\xa1\x01\x02", "\xa2\x61a\x01\x61a\x02", "\xbf", "\xa1\x69Namespace\x01"} {
		r := httptest.NewRequest(http.MethodPost, "/service/GraniteServiceVersion20100801/operation/ListMetrics", strings.NewReader(body))
		r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
		_, err := s.Decode(r, []byte(body))
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorFault() != smithy.FaultClient {
			t.Errorf("%q: %v, want the client's fault", body, err)
		}
	}
}
