package arn

import "testing"

func TestParse(t *testing.T) {
	t.Parallel()
	const good = "arn:aws:logs:us-west-2:123456789012:log-group:a:b"
	if a, err := Parse(good); err != nil || a.String() != good || a.Resource != "log-group:a:b" {
		t.Errorf("got %+v, %v", a, err)
	}
	for _, bad := range []string{
		"", "x", "arn:aws:logs:us-west-2:123456789012:", "arn:aws::us-west-2:123456789012:r", "ARN:aws:logs:us-west-2:123456789012:r",
		"arn:x:logs:us-west-2:123456789012:r", "arn::logs:us-west-2:123456789012:r", "arn:AWS:logs:us-west-2:123456789012:r", "arn:aws-cn:logs:cn-north-1:123456789012:r",
	} {
		if a, err := Parse(bad); err == nil {
			t.Errorf("%q: got %+v", bad, a)
		}
	}
}
