package pattern

import (
	"testing"
)

func get(key string) (string, bool) {
	v, ok := map[string]string{
		"aws:username":             "ada",
		"aws:principaltag/team":    "Blue*",
		"aws:principaltag/name":    "a?b",
		"s3:prefix":                "",
		"aws:principaltag/project": "x:y",
	}[key]
	return v, ok
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		p    Pattern
		s    string
		want bool
	}{
		{"equal", Equal("a*b", true), "a*b", true},
		{"equal has no wildcards", Equal("a*b", true), "axb", false},
		{"like", Like("a*b?d", true), "axxbcd", true},
		{"like needs all", Like("a*b", true), "abc", false},
		{"a star again", Like("*ab*ab", true), "abxabab", true},
		{"one character, not a byte", Like("?", true), "ä", true},
		{"variable", Equal("${aws:username}", true), "ada", true},
		{"variable in other case", Equal("${AWS:UserName}!", true), "ada!", true},
		{"variables are plain text in 2008", Equal("${aws:username}", false), "${aws:username}", true},
		{"no value", Equal("${aws:userid}", true), "", false},
		{"default", Equal("${aws:userid, 'x y'}-", true), "x y-", true},
		{"default that isn't needed", Equal("${aws:username, 'x'}", true), "ada", true},
		{"default of nothing", Like("a${aws:userid,''}b", true), "ab", true},
		{"an empty value is a value", Equal("${s3:prefix, 'x'}", true), "", true},
		{"literal star", Like("a${*}", true), "a*", true},
		{"literal star is no wildcard", Like("a${*}", true), "ab", false},
		{"literal question mark and dollar", Like("${?}${$}{", true), "?${", true},
		{"what comes out of a variable is literal", Like("${aws:PrincipalTag/team}", true), "Bluebird", false},
		{"and matches itself", Like("${aws:PrincipalTag/team}?", true), "Blue*!", true},
		{"not closed", Equal("${aws:username", true), "${aws:username", true},
		{"EqualFold", EqualFold("ÄB${aws:PrincipalTag/team}", true), "äbBLUE*", true},
		{"Fold", Fold("ECS:Describe*"), "ecs:describeTasks", true},
		{"Fold needs its prefix", Fold("ecs:Describe*"), "ecr:DescribeImages", false},

		{"resource star", Resource("*", true), "*", true},
		{"resource star for an ARN", Resource("*", true), "arn:aws:ecs:us-west-2:123456789012:cluster/web", true},
		{"a star in ARN form isn't on everything", Resource("arn:aws:ecs:*", true), "*", false},
		{"short ARN", Resource("arn:aws:ecs", true), "arn:aws:ecs:us-west-2:123456789012:cluster/web", true},
		{"short ARN with a star", Resource("arn:aws:ecs:us-*", true), "arn:aws:ecs:us-west-2:123456789012:cluster/web", true},
		{"short ARN of another service", Resource("arn:aws:ec", true), "arn:aws:ecs:us-west-2:123456789012:cluster/web", false},
		{"parts without case", Resource("ARN:AWS:ecs:US-west-2:*:cluster/web", true), "arn:aws:ecs:us-west-2:123456789012:cluster/web", true},
		{"resource with case", Resource("arn:aws:ecs:us-west-2:*:cluster/Web", true), "arn:aws:ecs:us-west-2:123456789012:cluster/web", false},
		{"over slashes", Resource("arn:aws:s3:::b/*/c", true), "arn:aws:s3:::b/x/y/c", true},
		{"over colons in the last part", Resource("arn:aws:logs:*:*:log-group:web*y", true), "arn:aws:logs:us-west-2:123456789012:log-group:web:log-stream:y", true},
		{"over colons at the end of a part", Resource("arn:aws:iam::*:b", true), "arn:aws:iam::1:a:b", true},
		{"not in the middle of one", Resource("arn:aws:iam::1*2:b", true), "arn:aws:iam::1:2:b", false},
		{"in the middle of one", Resource("arn:aws:iam::1*2:b", true), "arn:aws:iam::1332:b", true},
		{"back over a star that stops at colons", Resource("arn:aws:*:x*z:r", true), "arn:aws:x:xyz:r:xz:r", true},
		{"one is no colon", Resource("arn:aws:iam?:1:b", true), "arn:aws:iam::1:b", false},
		{"variables behind the fifth colon", Resource("arn:aws:s3:::b/${aws:username}/*", true), "arn:aws:s3:::b/ada/x", true},
		{"not before it", Resource("arn:aws:iam:${aws:username}:1:b", true), "arn:aws:iam:ada:1:b", false},
		{"resource whose variable has no value", Resource("arn:aws:s3:::b/${aws:userid}*", true), "arn:aws:s3:::b/x", false},
	} {
		if got := c.p.Match(c.s, get); got != c.want {
			t.Errorf("%s: match %q: got %t, want %t", c.name, c.s, got, c.want)
		}
	}
}

func TestARN(t *testing.T) {
	t.Parallel()
	const topic = "arn:aws:sns:us-east-1:123456789012:top:ic"
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{topic, topic, true},
		{"arn:aws:sns:*:123456789012:*", topic, true},
		{"arn:aws:sns:us-east-?:*:top*", topic, true},
		{"arn:aws:s*:1", topic, false},
		{"arn:aws:*:top:ic", topic, false}, // a star stays in its part
		{"*", topic, false},
		{"arn:aws:sns:us-east-1:123456789012:*", "top", false},
		{"arn:aws:iam::1:user/${aws:username}", "arn:aws:iam::1:user/ada", true},
		{"arn:aws:iam::1:${aws:PrincipalTag/project}", "arn:aws:iam::1:x:y", true},
		{"arn:aws:iam::1:user/${aws:userid}", "arn:aws:iam::1:user/", false},
	} {
		if got := NewARN(c.pattern, true).Match(c.s, get); got != c.want {
			t.Errorf("%s against %s: got %t, want %t", c.s, c.pattern, got, c.want)
		}
	}
}
