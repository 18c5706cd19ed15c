package wire

import (
	"errors"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/aws/smithy-go"
)

// FuzzDecode holds that a request is either decoded or refused with an AWS error, whatever is in it.
func FuzzDecode(f *testing.F) {
	var services []*Service
	for name, ops := range operations(nil) {
		s := service(f, name, ops)
		services = append(services, s)
		for _, o := range ops {
			if lasting[o.Name()] {
				continue // the SDK has no golden request of it
			}
			_, body := snapshot(f, name, o.Name())
			f.Add(name, o.Name(), body)
		}
	}
	f.Add("ecs", "CreateCluster", []byte(`{"tags":[[[[{}]]]]}`))
	f.Add("ec2", "DescribeVpcs", []byte(`Action=DescribeVpcs&VpcId=a&VpcId.1=b&Filter.1=c&.=&=`))
	f.Fuzz(func(t *testing.T, name, operation string, body []byte) {
		i := slices.IndexFunc(services, func(s *Service) bool { return s.Name() == name })
		if i < 0 {
			return
		}
		s := services[i]
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("X-Amz-Target", s.desc.Target+"."+operation)
		c, err := s.Decode(r, body)
		if _, refused := errors.AsType[smithy.APIError](err); (err != nil) != refused || (c != nil) == refused {
			t.Errorf("%s %s %q: got %v and error %v", name, operation, body, c, err)
		}
	})
}
