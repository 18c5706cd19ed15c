package wire

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/wire/bind"
)

// S3 and Route 53 speak restXml.

// elsewhere is S3, all of whose operations are tested here, with buckets in paths.
const elsewhere = "s3"

// reflected makes operations of the client's methods of those names.
func reflected(client any, names ...string) (list []sdkOp) {
	for _, name := range names {
		method := reflect.ValueOf(client).MethodByName(name)
		op := made(name, method.Type().In(1).Elem(), method.Type().Out(0).Elem()).(Declared[struct{}])
		list = append(list, sdkOp{
			Operation: op.Takes("*").On("*: *").Unions(s3Unions...),
			call: func(ctx context.Context, in any) (any, error) {
				out := method.Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(in)})
				err, _ := reflect.TypeAssert[error](out[1])
				return out[0].Interface(), err
			},
		})
	}
	return list
}

// s3Unions are S3's.
var s3Unions = []bind.Variants{
	Union[s3types.AnalyticsFilter](&s3types.AnalyticsFilterMemberAnd{}, &s3types.AnalyticsFilterMemberPrefix{}, &s3types.AnalyticsFilterMemberTag{}),
	Union[s3types.MetricsFilter](&s3types.MetricsFilterMemberAccessPointArn{}, &s3types.MetricsFilterMemberAnd{}, &s3types.MetricsFilterMemberPrefix{}, &s3types.MetricsFilterMemberTag{}),
	Union[s3types.ObjectEncryption](&s3types.ObjectEncryptionMemberSSEKMS{}),
}

func s3Client(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

// described are the names of the operations that the descriptor of a service in testdata has.
func described(t testing.TB, name string) []string {
	t.Helper()
	var names []string
	for op := range load(t, name).Operations {
		if !lasting[op] {
			names = append(names, op)
		}
	}
	slices.Sort(names)
	return names
}

// restXMLServices are the services with all operations that they are described with, of clients that ask f.
func restXMLServices(t testing.TB, f roundTripper) map[string][]sdkOp {
	cfg := sdkConfig(f)
	return map[string][]sdkOp{
		"s3":      reflected(s3Client(cfg), described(t, "s3")...),
		"route53": reflected(route53.NewFromConfig(cfg), described(t, "route53")...),
	}
}

// pathStyle gives a golden request of S3, whose bucket is in its host, a path with one.
func pathStyle(service string, op *operation, r *http.Request) {
	if _, ok := op.in.FieldByName("Bucket"); ok && service == "s3" {
		r.URL.Path = "/bucket" + strings.TrimSuffix(r.URL.Path, "/")
	}
}

// isNewer says whether the member at a path is one that the SDK has and the descriptor does not have yet.
func isNewer(service, path string) bool {
	return slices.ContainsFunc(newerElsewhere[service], func(f string) bool {
		return strings.HasSuffix("."+path, f[strings.IndexByte(f, '.'):])
	})
}

func TestRESTXMLRequestsDecodeWithNothingLost(t *testing.T) {
	t.Parallel()
	sent := &taken{}
	for name, ops := range restXMLServices(t, sent.RoundTrip) {
		s := tested(t, name, ops)
		for _, o := range ops {
			op := s.faces[0].ops[o.Name()]
			r, golden := snapshot(t, name, o.Name())
			pathStyle(name, op, r)
			if got := s.OperationName(r, golden); got != o.Name() {
				t.Errorf("%s %s is read as %q, want %s", r.Method, r.URL, got, o.Name())
				continue
			}
			in, faults := decode(t, s, r, golden)
			if len(faults.Malformed) > 0 || slices.ContainsFunc(faults.Unknown, func(path string) bool { return !isNewer(name, path) }) {
				t.Errorf("%s: cannot read %+v", o.Name(), faults)
			}
			if _, err := o.call(t.Context(), in); !errors.Is(err, errCaptured) {
				t.Fatalf("%s: send again: %v", o.Name(), err)
			}
			if r.Method != sent.r.Method || r.URL.Path != sent.r.URL.Path || !reflect.DeepEqual(r.URL.Query(), sent.r.URL.Query()) {
				t.Errorf("%s: sent again as %s %s, want %s %s", o.Name(), sent.r.Method, sent.r.URL.RequestURI(), r.Method, r.URL)
			}
			for header := range r.Header {
				if got, want := sent.r.Header.Get(header), r.Header.Get(header); got != want && !slices.Contains(newerHeaders, header) {
					t.Errorf("%s: %s sent again as %q, want %q", o.Name(), header, got, want)
				}
			}
			if len(faults.Unknown) == 0 && !bytes.Equal(golden, sent.body) {
				t.Errorf("%s: sent again\n%s, want\n%s", o.Name(), sent.body, golden)
			}
		}
		if got := unbound(s); !slices.Equal(got, newerElsewhere[name]) {
			t.Errorf("%s: SDK fields without descriptor (-want +got):\n%s", name, gocmp.Diff(newerElsewhere[name], got))
		}
	}
}

// TestRESTXMLPlaces has every member of an input filled, sent by the SDK and read.
func TestRESTXMLPlaces(t *testing.T) {
	t.Parallel()
	sent := &taken{}
	for name, ops := range restXMLServices(t, sent.RoundTrip) {
		s := tested(t, name, ops)
		for _, o := range ops {
			want := filled(s.faces[0].ops[o.Name()])
			plainText(reflect.ValueOf(want))
			if _, err := o.call(t.Context(), want); !errors.Is(err, errCaptured) {
				t.Fatalf("%s: send: %v", o.Name(), err)
			}
			got, faults := decode(t, s, sent.r, sent.body)
			if len(faults.Malformed)+len(faults.Unknown) > 0 {
				t.Errorf("%s: cannot read %+v", o.Name(), faults)
			}
			if diff := gocmp.Diff(want, got, comparers...); diff != "" {
				t.Errorf("%s %s %v %s (-want +got):\n%s", sent.r.Method, sent.r.URL, sent.r.Header, sent.body, diff)
			}
		}
	}
}

func TestTheSDKReadsTheXMLAnswersWeEncode(t *testing.T) {
	t.Parallel()
	var answer *http.Response
	for name, ops := range restXMLServices(t, func(*http.Request) (*http.Response, error) { return answer, nil }) {
		s := tested(t, name, ops)
		for _, o := range ops {
			op := s.faces[0].ops[o.Name()]
			want := reflect.New(op.out)
			fill(op.output, want.Elem(), 0)
			plainText(want)
			w := encode(t, s, o.Name(), want.Interface())
			answer = w.Result()
			status := cmp.Or(s.desc.Routes[o.Name()].Status, 200)
			if answer.Header.Get("Content-Range") != "" {
				status = 206
			}
			if answer.StatusCode != status {
				t.Errorf("%s: status %d, want %d", o.Name(), answer.StatusCode, status)
			}
			r, golden := snapshot(t, name, o.Name())
			pathStyle(name, op, r)
			in, _ := decode(t, s, r, golden)
			got, err := o.call(t.Context(), in)
			if err != nil {
				t.Fatalf("%s: %v\n%s", o.Name(), err, w.Body)
			}
			if diff := gocmp.Diff(want.Interface(), got, comparers...); diff != "" {
				t.Errorf("%s (-want +got):\n%s\n%v %s", o.Name(), diff, answer.Header, w.Body)
			}
		}
	}
}

func TestRESTXMLAnswers(t *testing.T) {
	t.Parallel()
	s := tested(t, "s3", reflected(s3Client(sdkConfig(nil)), "GetBucketLocation", "ListBuckets", "GetBucketAcl", "CopyObject", "DeleteBucket", "GetBucketPolicy"))
	const xmlns = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
	for _, tc := range []struct {
		operation    string
		out          any
		status       int
		content, xml string
	}{
		{"GetBucketLocation", &s3.GetBucketLocationOutput{}, 200, "application/xml", "<LocationConstraint" + xmlns + "></LocationConstraint>"},
		{"GetBucketLocation", &s3.GetBucketLocationOutput{LocationConstraint: "eu-west-1"}, 200, "application/xml", "<LocationConstraint" + xmlns + ">eu-west-1</LocationConstraint>"},
		{
			"ListBuckets", &s3.ListBucketsOutput{Buckets: []s3types.Bucket{{Name: aws.String("a&b"), CreationDate: &when}}}, 200, "application/xml",
			"<ListAllMyBucketsResult" + xmlns + "><Buckets><Bucket><CreationDate>2026-03-04T05:06:07.890Z</CreationDate><Name>a&amp;b</Name></Bucket></Buckets></ListAllMyBucketsResult>",
		},
		{
			"GetBucketAcl", &s3.GetBucketAclOutput{Grants: []s3types.Grant{{Grantee: &s3types.Grantee{Type: "CanonicalUser", ID: aws.String("1")}}}}, 200, "application/xml",
			"<AccessControlPolicy" + xmlns + `><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>1</ID></Grantee></Grant></AccessControlList></AccessControlPolicy>`,
		},
		{"CopyObject", &s3.CopyObjectOutput{CopyObjectResult: &s3types.CopyObjectResult{ETag: aws.String(`"e"`)}}, 200, "application/xml", "<CopyObjectResult" + xmlns + "><ETag>&#34;e&#34;</ETag></CopyObjectResult>"},
		{"DeleteBucket", &s3.DeleteBucketOutput{}, 204, "", ""},
		{"GetBucketPolicy", &s3.GetBucketPolicyOutput{Policy: aws.String("{}")}, 200, "text/plain", "{}"},
	} {
		w := encode(t, s, tc.operation, tc.out)
		if tc.content == "application/xml" {
			tc.xml = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + tc.xml
		}
		if w.Code != tc.status || w.Body.String() != tc.xml || w.Header().Get("Content-Type") != tc.content {
			t.Errorf("%s:\n got %d %q %s\nwant %d %q %s", tc.operation, w.Code, w.Header().Get("Content-Type"), w.Body, tc.status, tc.content, tc.xml)
		}
	}
}

func TestTheSDKReadsOurXMLErrors(t *testing.T) {
	t.Parallel()
	var answer *http.Response
	cfg := sdkConfig(func(*http.Request) (*http.Response, error) { return answer, nil })
	all := map[string][]sdkOp{
		"s3":      reflected(s3Client(cfg), "CreateBucket", "RestoreObject"),
		"route53": reflected(route53.NewFromConfig(cfg), "ChangeResourceRecordSets"),
	}
	for _, tc := range []struct {
		service string
		err     error
		status  int
		body    string
		want    error
	}{
		{
			"s3", &s3types.BucketAlreadyOwnedByYou{Message: aws.String("m")}, 409,
			`<Error><Code>BucketAlreadyOwnedByYou</Code><Message>m</Message><RequestId>req-7</RequestId><HostId>req-7</HostId></Error>`,
			&s3types.BucketAlreadyOwnedByYou{Message: aws.String("m")},
		},
		{
			"s3", awserr.New("AccessDenied", "a < b"), 403,
			`<Error><Code>AccessDenied</Code><Message>a &lt; b</Message><RequestId>req-7</RequestId><HostId>req-7</HostId></Error>`,
			&smithy.GenericAPIError{Code: "AccessDenied", Message: "a < b"},
		},
		{
			"s3", errors.New("secret"), 500,
			`<Error><Code>InternalError</Code><Message>internal error</Message><RequestId>req-7</RequestId><HostId>req-7</HostId></Error>`,
			&smithy.GenericAPIError{Code: "InternalError", Message: "internal error"},
		},
		{
			"route53", &route53types.NoSuchHostedZone{Message: aws.String("No hosted zone found with ID: Z")}, 404,
			`<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>NoSuchHostedZone</Code><Message>No hosted zone found with ID: Z</Message></Error><RequestId>req-7</RequestId></ErrorResponse>`,
			&route53types.NoSuchHostedZone{Message: aws.String("No hosted zone found with ID: Z")},
		},
		{
			"route53", &route53types.InvalidChangeBatch{Message: aws.String("m"), Messages: []string{"a", "b"}}, 400,
			`<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>InvalidChangeBatch</Code><Message>m</Message><messages><Message>a</Message><Message>b</Message></messages></Error><RequestId>req-7</RequestId></ErrorResponse>`,
			nil,
		},
	} {
		ops := all[tc.service]
		s := tested(t, tc.service, ops)
		w := httptest.NewRecorder()
		s.EncodeError(s.faces[0].protocol, w, "req-7", tc.err)
		body := strings.TrimPrefix(w.Body.String(), `<?xml version="1.0" encoding="UTF-8"?>`+"\n")
		if w.Code != tc.status || body != tc.body || w.Header().Get("Content-Type") != "application/xml" {
			t.Errorf("%v:\n got %d %s\nwant %d %s", tc.err, w.Code, body, tc.status, tc.body)
		}
		answer = w.Result()
		r, golden := snapshot(t, tc.service, ops[0].Name())
		pathStyle(tc.service, s.faces[0].ops[ops[0].Name()], r)
		in, _ := decode(t, s, r, golden)
		_, err := ops[0].call(t.Context(), in)
		if tc.want == nil {
			tc.want = tc.err
		}
		got := findError(err, reflect.TypeOf(tc.want))
		if diff := gocmp.Diff(tc.want, got, comparers...); diff != "" {
			t.Errorf("the SDK reads %v (-want +got):\n%s", err, diff)
		}
	}
}

func TestRESTXMLDecodeRefuses(t *testing.T) {
	t.Parallel()
	s := tested(t, "s3", reflected(s3Client(sdkConfig(nil)), described(t, "s3")...))
	for _, tc := range []struct{ method, url, body, code, message string }{
		{"PUT", "/b?tagging", `<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>`, "", ""},
		{"PUT", "/b?tagging", `<?xml version="1.0"?> <Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><!-- none --><TagSet/></Tagging> `, "", ""},
		{"PUT", "/b?tagging", ``, "InvalidArgument", "1 validation error detected: Value null at 'tagging' failed to satisfy constraint: Member must not be null"},
		{"PUT", "/b?tagging", `<Tagging><TagSet>`, "MalformedXML", "the body is not well-formed XML"},
		{"PUT", "/b?tagging", `<Tagging><TagSet/></Tagging><Tagging/>`, "MalformedXML", "the body is not well-formed XML"},
		{"PUT", "/b?tagging", `<!DOCTYPE a [<!ENTITY b "c">]><Tagging><TagSet/></Tagging>`, "MalformedXML", "the body must have no document type declaration"},
		{"PUT", "/b?tagging", `<Tags/>`, "MalformedXML", "the body is the element Tags, not Tagging"},
		{"PUT", "/b?tagging", `<Tagging>x<TagSet/></Tagging>`, "MalformedXML", "the text 'x' stands where elements do"},
		{"PUT", "/b?tagging", `<Tagging><TagSet/><TagSet/></Tagging>`, "MalformedXML", "'TagSet' is there twice"},
		{"PUT", "/b?tagging", `<Tagging><TagSet/><Color>red</Color></Tagging>`, "InvalidArgument", "Unknown parameter: 'tagging.Color'"},
		{"PUT", "/b?tagging", `<Tagging color="red"><TagSet/></Tagging>`, "InvalidArgument", "Unknown parameter: 'tagging.attribute color'"},
		{"PUT", "/b?tagging", `<Tagging><TagSet><T/></TagSet></Tagging>`, "MalformedXML", "the element T stands where Tag is expected"},
		{"PUT", "/b?tagging", `<Tagging><TagSet><Tag><Key><a/>k</Key><Value>v</Value></Tag></TagSet></Tagging>`, "InvalidArgument", "Value '' at 'tagging.tagSet.1.member.key' is not a string."},
		{"PUT", "/b?acl", `<AccessControlPolicy><AccessControlList><Grant><Grantee xsi:type="Group" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="false"/></Grant></AccessControlList></AccessControlPolicy>`, "", ""},
		{"PUT", "/b?acl", `<AccessControlPolicy><AccessControlList><Grant><Grantee type="Group"/></Grant></AccessControlList></AccessControlPolicy>`, "InvalidArgument", "Unknown parameter: 'accessControlPolicy.grants.1.member.grantee.attribute type'. 1 validation error"},
		{"GET", "/b?list-type=2&color=red", ``, "InvalidArgument", "Unknown parameter: '?color'"},
		{"GET", "/b?list-type=2&X-Amz-Signature=a&x-id=ListObjectsV2&X-Amz-Request-Payer=no", ``, "InvalidArgument", "Value 'no' at 'requestPayer' failed"},
		{"PATCH", "/b", ``, "MethodNotAllowed", "The request names no operation."},
		{"POST", "/b/k?select&select-type=2", ``, "NotImplemented", "Skylift does not implement S3 SelectObjectContent yet."},
		{"PUT", "/b?analytics&id=a", `<AnalyticsConfiguration><Id>a</Id><StorageClassAnalysis/><Filter><Prefix>p</Prefix></Filter></AnalyticsConfiguration>`, "", ""},
		{"PUT", "/b?analytics&id=a", `<AnalyticsConfiguration><Id>a</Id><StorageClassAnalysis/><Filter><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></Filter></AnalyticsConfiguration>`, "InvalidArgument", "Value '{Prefix=p, Tag={Key=k, Value=v}}' at 'analyticsConfiguration.filter' is not one member of a union."},
		{"PUT", "/b?analytics&id=a", `<AnalyticsConfiguration><Id>a</Id><StorageClassAnalysis/><Filter/></AnalyticsConfiguration>`, "InvalidArgument", "is not one member of a union."},
		{"PUT", "/b?analytics&id=a", `<AnalyticsConfiguration><Id>a</Id><StorageClassAnalysis/><Filter><Color>p</Color></Filter></AnalyticsConfiguration>`, "InvalidArgument", "Unknown parameter: 'analyticsConfiguration.filter.Color'"},
		{"PUT", "/b?tagging", strings.Repeat("<Tagging>", 10000), "MalformedXML", "not well-formed"},
	} {
		r := httptest.NewRequest(tc.method, tc.url, strings.NewReader(tc.body))
		_, err := s.Decode(r, []byte(tc.body))
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok {
			if err != nil || tc.code != "" {
				t.Errorf("%s %s: error %v, want %q", tc.method, tc.url, err, tc.code)
			}
			continue
		}
		if api.ErrorCode() != tc.code || !strings.Contains(api.ErrorMessage(), tc.message) || len(api.ErrorMessage()) > 1000 {
			t.Errorf("%s %s %.200s:\n got %s: %s\nwant %s: %s", tc.method, tc.url, tc.body, api.ErrorCode(), api.ErrorMessage(), tc.code, tc.message)
		}
	}
}

// TestAPresignedURLHasHeadersInItsQuery: S3's clients put AWS's own headers there.
func TestAPresignedURLHasHeadersInItsQuery(t *testing.T) {
	t.Parallel()
	client := s3Client(sdkConfig(nil))
	s := tested(t, "s3", reflected(client, "HeadObject"))
	signed, err := s3.NewPresignClient(client).PresignHeadObject(t.Context(), &s3.HeadObjectInput{
		Bucket: aws.String("b"), Key: aws.String("a/b c+d"), RequestPayer: "requester", VersionId: aws.String("v"), ChecksumMode: "ENABLED",
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Decode(httptest.NewRequest(signed.Method, signed.URL, http.NoBody), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &s3.HeadObjectInput{
		Bucket: aws.String("b"), Key: aws.String("a/b c+d"), RequestPayer: "requester", VersionId: aws.String("v"), ChecksumMode: "ENABLED",
	}
	if diff := gocmp.Diff(want, c.Input, comparers...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", signed.URL, diff)
	}
}

// FuzzRESTXMLDecode holds that a request is either decoded or refused with an AWS error, whatever is in it.
func FuzzRESTXMLDecode(f *testing.F) {
	s := tested(f, "s3", reflected(s3Client(sdkConfig(nil)), described(f, "s3")...))
	for _, name := range described(f, "s3") {
		r, body := snapshot(f, "s3", name)
		f.Add(r.Method, "/b"+r.URL.Path, r.URL.RawQuery, body)
	}
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte) {
		r := httptest.NewRequest("GET", "/", io.NopCloser(bytes.NewReader(body)))
		r.Method, r.URL.Path, r.URL.RawPath, r.URL.RawQuery = method, path, path, query
		c, err := s.Decode(r, body)
		if _, refused := errors.AsType[smithy.APIError](err); (err != nil) != refused || (c != nil) == refused {
			t.Errorf("%s %s?%s %q: got %v and error %v", method, path, query, body, c, err)
		}
	})
}
