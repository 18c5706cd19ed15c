package wire

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// sink is an http.ResponseWriter that keeps nothing.
type sink struct {
	h http.Header
	n int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { s.n += len(b); return len(b), nil }

// BenchmarkDescribeServices is one call that asks for ten services with 20 events each.
func BenchmarkDescribeServices(b *testing.B) {
	s := service(b, "ecs", operations(nil)["ecs"])
	out := &ecs.DescribeServicesOutput{}
	for i := range 10 {
		svc := ecstypes.Service{
			ServiceName: aws.String(fmt.Sprint("service-", i)), ServiceArn: aws.String("arn:aws:ecs:us-west-2:123456789012:service/default/web"),
			Status: aws.String("ACTIVE"), DesiredCount: 3, RunningCount: 3, LaunchType: ecstypes.LaunchTypeFargate, CreatedAt: &when,
			Deployments:   []ecstypes.Deployment{{Id: aws.String("ecs-svc/1"), Status: aws.String("PRIMARY"), CreatedAt: &when, UpdatedAt: &when}},
			LoadBalancers: []ecstypes.LoadBalancer{{ContainerName: aws.String("web"), ContainerPort: aws.Int32(80)}},
		}
		for range 20 {
			svc.Events = append(svc.Events, ecstypes.ServiceEvent{
				Id: aws.String("5b7e5f5e-4c66-4b0d-9f4e-2b0f4bbd9f3b"), CreatedAt: &when,
				Message: aws.String("(service web) has reached a steady state."),
			})
		}
		out.Services = append(out.Services, svc)
	}
	names := strings.TrimSuffix(strings.Repeat(`"service-1",`, 10), ",")
	bench(b, s, "DescribeServices", `{"cluster":"default","include":["TAGS"],"services":[`+names+`]}`, out)
}

// BenchmarkDescribeSecurityGroups is one call with two filters that finds 50 groups.
func BenchmarkDescribeSecurityGroups(b *testing.B) {
	s := service(b, "ec2", operations(nil)["ec2"])
	out := &ec2.DescribeSecurityGroupsOutput{}
	for range 50 {
		out.SecurityGroups = append(out.SecurityGroups, ec2types.SecurityGroup{
			GroupId: aws.String("sg-0123456789abcdef0"), GroupName: aws.String("web"), VpcId: aws.String("vpc-1"),
			IpPermissions: []ec2types.IpPermission{{
				IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(80),
				IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}},
			}},
		})
	}
	bench(b, s, "DescribeSecurityGroups", "Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1&Filter.2.Name=group-name&Filter.2.Value.1=web", out)
}

func bench(b *testing.B, s *Service, operation, request string, out any) {
	r, body := requestOf(s, operation, request)
	w := &sink{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		c, err := s.Decode(r, body)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Encode(w, c, "req-1", out); err != nil {
			b.Fatal(err)
		}
	}
	rec := httptest.NewRecorder()
	if err := s.Encode(rec, &Call{Operation: operation, op: s.faces[0].ops[operation], face: s.faces[0]}, "req-1", out); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(rec.Body.Len() + len(body)))
}
