package sniff

import (
	"net/http/httptest"
	"testing"

	"github.com/skylift/skylift/internal/wire"
)

func TestProtocol(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	for _, tc := range []struct {
		name, url, target, contentType, body string
		want                                 wire.Protocol
	}{
		{"a target", "/", "X.Y", "", "{}", wire.AWSJSON11},
		{"JSON", "/", "", "application/x-amz-json-1.1", "{}", wire.AWSJSON11},
		{"an action", "/", "", form, "Action=GetCallerIdentity&Version=2011-06-15", wire.AWSQuery},
		{"an action of EC2", "/", "", form, "Action=DescribeVpcs&Version=2016-11-15", wire.EC2Query},
		{"an action in the URL", "/?Action=DescribeVpcs&Version=2016-11-15", "", "", "", wire.EC2Query},
		{"a broken form", "/", "", form, "Action=%zz", wire.AWSQuery},
		{"nothing", "/", "", "", "", wire.AWSJSON11},
	} {
		r := httptest.NewRequest("POST", tc.url, nil)
		r.Header.Set("X-Amz-Target", tc.target)
		r.Header.Set("Content-Type", tc.contentType)
		if got := Protocol(r, []byte(tc.body)); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
}

// FuzzProtocol holds that no body makes it panic.
func FuzzProtocol(f *testing.F) {
	f.Add([]byte("Action=DescribeVpcs&VpcId=a&VpcId.1=b&Filter.1=c&.=&="))
	f.Fuzz(func(_ *testing.T, body []byte) { Protocol(httptest.NewRequest("POST", "/", nil), body) })
}
