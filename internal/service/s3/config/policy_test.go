package config

import (
	"fmt"
	"testing"

	"github.com/skylift/skylift/internal/policy/document"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		condition string
		public    bool
	}{
		{`{}`, true},
		{`{"StringEquals": {"aws:PrincipalAccount": "123456789012"}}`, false},
		{`{"StringEqualsIgnoreCase": {"aws:PrincipalAccount": "123456789012"}}`, false},
		{`{"StringLike": {"aws:SourceAccount": "123456789012"}}`, false},
		{`{"StringLike": {"aws:SourceAccount": "1*"}}`, true},
		{`{"ArnLike": {"aws:SourceArn": "arn:aws:sns:us-west-2:123456789012:tea"}}`, false},
		{`{"ForAnyValue:ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/tea"}}`, false},
		{`{"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}`, false},
		{`{"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}`, true},
		{`{"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}`, true},
		{`{"Null": {"aws:PrincipalArn": "true"}}`, true},
		{`{"Null": {"aws:SourceVpc": "true"}}`, true},
		{`{"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-1"}}`, true},
		{`{"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}`, true},
		{`{"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}}`, true},
		{`{"NumericLessThan": {"aws:PrincipalAccount": "999999999999"}}`, true},
	} {
		d, err := document.Parse(fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
			"Resource": "arn:aws:s3:::tea/*", "Condition": %s}]}`, tc.condition))
		if err != nil {
			t.Fatal(err)
		}
		if got := Public(d); got != tc.public {
			t.Errorf("%s: public %t, want %t", tc.condition, got, tc.public)
		}
	}
}
