package wire

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/wire/awsxml"
)

// TestTheSDKReadsOurErrors has errors of handlers read by the SDK's client, typed where AWS has a type.
func TestTheSDKReadsOurErrors(t *testing.T) {
	t.Parallel()
	var answer *http.Response
	all := operations(func(*http.Request) (*http.Response, error) { return answer, nil })
	for _, tc := range []struct {
		service, operation string
		err                error
		status             int
		want               error // nil: the same
	}{
		{"ecs", "UpdateService", &ecstypes.ServiceNotFoundException{Message: aws.String("Service <not> found.")}, 400, nil},
		{"ecs", "DeleteTaskDefinitions", fmt.Errorf("read: %w", &ecstypes.ServerException{Message: aws.String("x")}), 500, &ecstypes.ServerException{Message: aws.String("x")}},
		{"ecs", "RunTask", &ecstypes.ConflictException{Message: aws.String("m"), ResourceIds: []string{"a", "b"}}, 400, nil},
		{"ecr", "CreateRepository", &ecrtypes.RepositoryAlreadyExistsException{Message: aws.String("exists")}, 400, nil},
		{"logs", "PutLogEvents", &logstypes.InvalidSequenceTokenException{Message: aws.String("m"), ExpectedSequenceToken: aws.String("42")}, 400, nil},
		{"elasticloadbalancing", "CreateRule", &elbtypes.PriorityInUseException{Message: aws.String("Priority '1' is in use")}, 400, nil},
		{"elasticloadbalancing", "CreateLoadBalancer", awserr.New("DuplicateLoadBalancerName", "dup"), 400, &elbtypes.DuplicateLoadBalancerNameException{Message: aws.String("dup")}},
		{"elasticloadbalancing", "DescribeTargetHealth", &elbtypes.HealthUnavailableException{Message: aws.String("no")}, 500, nil},
		{"ec2", "CreateSecurityGroup", awserr.New("InvalidGroup.Duplicate", "dup & more"), 400, &smithy.GenericAPIError{Code: "InvalidGroup.Duplicate", Message: "dup & more"}},
		{"ec2", "DescribeVpcs", awserr.New("UnauthorizedOperation", "no"), 403, &smithy.GenericAPIError{Code: "UnauthorizedOperation", Message: "no"}},
		{"ec2", "DescribeVpcs", errors.New("secret"), 500, &smithy.GenericAPIError{Code: "InternalError", Message: "internal error"}},
		{"sts", "GetCallerIdentity", errors.New("secret"), 500, &smithy.GenericAPIError{Code: "InternalFailure", Message: "internal error"}},
		{"logs", "DescribeLogGroups", errors.New("secret"), 500, &logstypes.ServiceUnavailableException{Message: aws.String("internal error")}},
		{"ecr", "ListImages", errors.New("secret"), 500, &ecrtypes.ServerException{Message: aws.String("internal error")}},
	} {
		s := service(t, tc.service, all[tc.service])
		w := httptest.NewRecorder()
		s.EncodeError(s.faces[0].protocol, w, "req-7", tc.err)
		if w.Code != tc.status {
			t.Errorf("%s %v: status %d, want %d", tc.service, tc.err, w.Code, tc.status)
		}
		answer = w.Result()
		_, got := callOf(t, s, all[tc.service], tc.operation)
		want := tc.want
		if want == nil {
			want = tc.err
		}
		gotAPI := findError(got, reflect.TypeOf(want))
		if gotAPI == nil {
			t.Errorf("%s: the SDK reads %v, want a %T", tc.service, got, want)
			continue
		}
		if diff := cmp.Diff(want, gotAPI, comparers...); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", tc.service, diff, w.Body)
		}
		if !strings.Contains(got.Error(), "req-7") {
			t.Errorf("%s: no request id in %v", tc.service, got)
		}
	}
}

// callOf calls an operation with its golden request.
func callOf(t *testing.T, s *Service, ops []sdkOp, operation string) (any, error) {
	t.Helper()
	for _, o := range ops {
		if o.Name() == operation {
			r, body := snapshot(t, s.Name(), operation)
			in, _ := decode(t, s, r, body)
			return o.call(t.Context(), in)
		}
	}
	t.Fatalf("no operation %s", operation)
	return nil, nil
}

// findError is the error of that type in err's chain.
func findError(err error, want reflect.Type) error {
	for ; err != nil; err = errors.Unwrap(err) {
		if reflect.TypeOf(err) == want {
			return err
		}
	}
	return nil
}

func TestErrorBodies(t *testing.T) {
	t.Parallel()
	err := awserr.New("SignatureDoesNotMatch", "a < b")
	for _, tc := range []struct {
		protocol    Protocol
		status      int
		contentType string
		body        string
	}{
		{AWSJSON11, 400, "application/x-amz-json-1.1", `{"__type":"SignatureDoesNotMatch","message":"a < b"}`},
		{AWSQuery, 403, "text/xml;charset=UTF-8", `<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>a &lt; b</Message></Error><RequestId>r</RequestId></ErrorResponse>`},
		{EC2Query, 403, "text/xml;charset=UTF-8", awsxml.Declaration + `<Response><Errors><Error><Code>SignatureDoesNotMatch</Code><Message>a &lt; b</Message></Error></Errors><RequestID>r</RequestID></Response>`},
	} {
		w := httptest.NewRecorder()
		EncodeErrorAs(tc.protocol, w, "r", err)
		if w.Code != tc.status || w.Header().Get("Content-Type") != tc.contentType || w.Body.String() != tc.body {
			t.Errorf("%s:\n got %d %s %s\nwant %d %s %s", tc.protocol, w.Code, w.Header().Get("Content-Type"), w.Body, tc.status, tc.contentType, tc.body)
		}
	}
}
