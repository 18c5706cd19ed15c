package condition

import (
	"errors"
	"testing"
)

// request has keys of each kind.
func request() Keys {
	var k Keys
	k.Set("aws:username", "ada")
	k.Set("aws:PrincipalTag/Team", "blue")
	k.Set("aws:SourceIp", "203.0.113.7")
	k.Set("aws:CurrentTime", "2026-11-29T12:00:00Z")
	k.Set("aws:EpochTime", "1796000000")
	k.Set("aws:SecureTransport", "true")
	k.Set("aws:SourceArn", "arn:aws:sns:us-west-2:123456789012:alarm")
	k.Set("s3:max-keys", "10")
	k.Set("key:blob", "QmluYXJ5")
	k.Set("key:v6", "2001:db8::1")
	k.Set("key:empty", "")
	k.SetMany("aws:TagKeys", "team", "stage")
	k.SetMany("aws:CalledVia")
	return k
}

func TestHolds(t *testing.T) {
	t.Parallel()
	type values = []string
	for _, c := range []struct {
		operator, key string
		values        values
		want          bool
	}{
		{"StringEquals", "aws:username", values{"bob", "ada"}, true},
		{"StringEquals", "AWS:UserName", values{"Ada"}, false},
		{"stringequals", "aws:username", values{"ada"}, true},
		{"StringEqualsIgnoreCase", "aws:username", values{"ADA"}, true},
		{"StringNotEquals", "aws:username", values{"bob", "ada"}, false}, // NOR
		{"StringNotEquals", "aws:username", values{"bob"}, true},
		{"StringNotEqualsIgnoreCase", "aws:username", values{"ADA"}, false},
		{"StringLike", "aws:username", values{"a?a"}, true},
		{"StringEquals", "aws:username", values{"a*"}, false},
		{"StringNotLike", "aws:username", values{"a*"}, false},
		{"StringEquals", "aws:PrincipalTag/tEAM", values{"blue"}, true},
		{"StringEquals", "key:empty", values{""}, true},
		{"StringLike", "key:empty", values{"*"}, true},
		{"StringEquals", "aws:SourceArn", values{"arn:aws:sns:us-west-2:123456789012:${aws:userid, 'alarm'}"}, true},
		{"StringEquals", "aws:username", values{"${aws:userid}"}, false},
		{"StringNotEquals", "aws:username", values{"${aws:userid}"}, true},
		{"StringEquals", "aws:username", values{"${aws:TagKeys}"}, false}, // of many values
		// without the key
		{"StringEquals", "aws:userid", values{"x"}, false},
		{"StringNotEquals", "aws:userid", values{"x"}, true},
		{"StringNotLike", "aws:userid", values{"*"}, true},
		{"NotIpAddress", "aws:userid", values{"10.0.0.0/8"}, true},
		{"StringEqualsIfExists", "aws:userid", values{"x"}, true},
		{"StringEqualsIfExists", "aws:username", values{"x"}, false},
		{"NumericLessThanIfExists", "aws:userid", values{"1"}, true},
		{"Null", "aws:userid", values{"true"}, true},
		{"Null", "aws:userid", values{"False"}, false},
		{"Null", "aws:username", values{"false"}, true},
		{"Null", "aws:username", values{"true"}, false},
		{"Null", "aws:TagKeys", values{"false"}, true},
		{"Null", "aws:CalledVia", values{"true"}, true},
		{"Null", "key:empty", values{"false"}, true},
		// of many values
		{"ForAllValues:StringEquals", "aws:TagKeys", values{"team", "stage", "x"}, true},
		{"ForAllValues:StringEquals", "aws:TagKeys", values{"team"}, false},
		{"ForAllValues:StringEquals", "aws:CalledVia", values{"x"}, true},
		{"ForAllValues:StringEquals", "aws:userid", values{"x"}, true},
		{"ForAnyValue:StringEquals", "aws:TagKeys", values{"team"}, true},
		{"ForAnyValue:StringLike", "aws:TagKeys", values{"x*"}, false},
		{"ForAnyValue:StringEquals", "aws:CalledVia", values{"x"}, false},
		{"ForAnyValue:StringNotEquals", "aws:userid", values{"x"}, false},
		{"ForAnyValue:StringEqualsIfExists", "aws:userid", values{"x"}, true},
		{"ForAllValues:StringNotEquals", "aws:TagKeys", values{"team"}, false},
		{"ForAllValues:StringNotEquals", "aws:TagKeys", values{"x", "y"}, true},
		{"ForAnyValue:StringNotEquals", "aws:TagKeys", values{"team"}, true},
		{"ForAnyValue:StringNotEquals", "aws:TagKeys", values{"team", "stage"}, false},
		{"ForAllValues:StringEquals", "aws:username", values{"ada"}, true},
		{"StringEquals", "aws:TagKeys", values{"team"}, false},
		{"StringNotEquals", "aws:TagKeys", values{"x"}, false},
		{"StringNotEquals", "aws:CalledVia", values{"x"}, true},
		// numbers
		{"NumericEquals", "s3:max-keys", values{"10.0"}, true},
		{"NumericNotEquals", "s3:max-keys", values{"10"}, false},
		{"NumericLessThan", "s3:max-keys", values{"10"}, false},
		{"NumericLessThanEquals", "s3:max-keys", values{"10"}, true},
		{"NumericGreaterThan", "s3:max-keys", values{"9.5"}, true},
		{"NumericGreaterThanEquals", "s3:max-keys", values{"11", "10"}, true},
		{"NumericEquals", "aws:username", values{"10"}, false},
		// dates
		{"DateEquals", "aws:CurrentTime", values{"2026-11-29T13:00:00+01:00"}, true},
		{"DateNotEquals", "aws:CurrentTime", values{"2026-11-29T12:00:00Z"}, false},
		{"DateGreaterThan", "aws:CurrentTime", values{"2026-11-29"}, true},
		{"DateGreaterThanEquals", "aws:CurrentTime", values{"2026-11-29T12:00Z"}, true},
		{"DateLessThan", "aws:CurrentTime", values{"1795953600"}, false},
		{"DateLessThanEquals", "aws:CurrentTime", values{"1795953600"}, true},
		{"DateLessThan", "aws:EpochTime", values{"2027-01-01T00:00:00Z"}, true},
		// truth
		{"Bool", "aws:SecureTransport", values{"TRUE"}, true},
		{"Bool", "aws:SecureTransport", values{"false"}, false},
		{"Bool", "aws:MultiFactorAuthPresent", values{"false"}, false},
		{"BoolIfExists", "aws:MultiFactorAuthPresent", values{"false"}, true},
		// bytes
		{"BinaryEquals", "key:blob", values{"QmluYXJ5"}, true},
		{"BinaryEquals", "key:blob", values{"QmluYXJz"}, false},
		// addresses
		{"IpAddress", "aws:SourceIp", values{"203.0.113.0/24"}, true},
		{"IpAddress", "aws:SourceIp", values{"203.0.113.9/24"}, true},
		{"IpAddress", "aws:SourceIp", values{"203.0.113.7"}, true},
		{"IpAddress", "aws:SourceIp", values{"10.0.0.0/8", "2001:db8::/32"}, false},
		{"NotIpAddress", "aws:SourceIp", values{"203.0.113.0/24"}, false},
		{"NotIpAddress", "aws:SourceIp", values{"2001:db8::/32"}, true},
		{"IpAddress", "key:v6", values{"2001:db8::/32"}, true},
		// ARNs
		{"ArnEquals", "aws:SourceArn", values{"arn:aws:sns:*:123456789012:*"}, true},
		{"ArnLike", "aws:SourceArn", values{"arn:aws:sns:us-west-2:123456789012:alar?"}, true},
		{"ArnNotEquals", "aws:SourceArn", values{"arn:aws:sns:*:*:*"}, false},
		{"ArnNotLike", "aws:SourceArn", values{"arn:aws:sqs:*:*:*"}, true},
		{"ArnLike", "aws:username", values{"*"}, false},
	} {
		test, err := Compile(c.operator, c.key, c.values, true)
		if err != nil {
			t.Errorf("%s %s %q: %v", c.operator, c.key, c.values, err)
			continue
		}
		if got := test.Holds(request()); got != c.want {
			t.Errorf("%s %s %q: got %t, want %t", c.operator, c.key, c.values, got, c.want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		operator, value string
		want            error
	}{
		{"StringMatches", "x", ErrOperator},
		{"NullIfExists", "true", ErrOperator},
		{"ForEveryValue:StringEquals", "x", ErrOperator},
		{"ForAllValues:", "x", ErrOperator},
		{"", "x", ErrOperator},
		{"IfExists", "x", ErrOperator},
		{"Null", "yes", ErrValue},
		{"Bool", "1", ErrValue},
		{"NumericEquals", "ten", ErrValue},
		{"NumericEquals", "0x10", ErrValue},
		{"NumericEquals", "inf", ErrValue},
		{"DateLessThan", "tomorrow", ErrValue},
		{"IpAddress", "10.0.0.0/33", ErrValue},
		{"IpAddress", "localhost", ErrValue},
		{"BinaryEquals", "=", ErrValue},
	} {
		if _, err := Compile(c.operator, "aws:username", []string{c.value}, true); !errors.Is(err, c.want) {
			t.Errorf("%s %q: got %v, want %v", c.operator, c.value, err, c.want)
		}
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	test, err := Compile("StringLike", "s3:prefix", []string{"${aws:username}/*", "${aws:PrincipalTag/team, 'x'}"}, true)
	if got := test.Variables(); err != nil || len(got) != 2 || got[0] != "aws:username" || got[1] != "aws:PrincipalTag/team" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestWith(t *testing.T) {
	t.Parallel()
	a := request()
	var b Keys
	b.Set("aws:USERNAME", "bob")
	b.Set("aws:userid", "AIDA")
	both := a.With(b)
	if got, _ := both.One("aws:username"); got != "bob" {
		t.Errorf("got %q, want the later value", got)
	}
	if got, _ := a.One("aws:username"); got != "ada" || a.Has("aws:userid") || !both.Has("aws:TagKeys") {
		t.Errorf("got %q of the first, has %t", got, a.Has("aws:userid"))
	}
}
