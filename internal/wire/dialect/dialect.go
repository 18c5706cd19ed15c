// Package dialect has the words in which services say what is wrong with a request before a handler sees it.
package dialect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

// Dialect is the codes that a service uses for what is wrong with a request before a handler sees it.
//
// AWS documents them per service (ECS, ECR, Logs and tagging: InvalidParameterException; the query services:
// ValidationError; EC2: its table of client error codes) and per protocol (SerializationException,
// UnknownOperationException, InvalidAction, MalformedQueryString). S3 has a list of its own
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList).
type Dialect struct {
	invalid     string         // a constraint is not met
	unknown     string         // a parameter that the service does not have
	unsupported string         // a parameter that Skylift does not honour
	wrongType   string         // a value that is not of its parameter's type
	Malformed   string         // a body that cannot be read at all
	NoSuch      string         // an operation that the service does not have, or we do not implement
	Internal    string         // a fault of ours
	Statuses    map[string]int // of errors that the model doesn't have, where it isn't 400
	ec2         bool           // EC2 has a wording of its own for everything

	violations func(v []bind.Violation) []string
}

var dialects = map[string]Dialect{
	"ecs":                  jsonDialect("InvalidParameterException", "ServerException", joined),
	"ecr":                  jsonDialect("InvalidParameterException", "ServerException", eachECR),
	"logs":                 jsonDialect("InvalidParameterException", "ServiceUnavailableException", joined),
	"tagging":              jsonDialect("InvalidParameterException", "InternalServiceException", joined),
	"elasticfilesystem":    unsupportedAs("BadRequest", jsonDialect("ValidationException", "InternalServerError", joined)),
	"elasticloadbalancing": unsupportedAs("InvalidConfigurationRequest", queryDialect),
	"sts":                  queryDialect,
	"servicediscovery":     jsonDialect("InvalidInput", "InternalFailure", joined),
	"route53": {
		invalid: "InvalidInput", unknown: "InvalidInput", unsupported: "InvalidInput", wrongType: "InvalidInput",
		Malformed: "InvalidInput", NoSuch: "InvalidAction", Internal: "InternalFailure", violations: joined,
	},
	"s3": {
		invalid: "InvalidArgument", unknown: "InvalidArgument", unsupported: "NotImplemented", wrongType: "InvalidArgument",
		Malformed: "MalformedXML", NoSuch: "NotImplemented", Internal: "InternalError", violations: joined,
		Statuses: s3Statuses,
	},
	"ec2": {
		invalid: "InvalidParameterValue", unknown: "UnknownParameter", unsupported: "UnsupportedOperation",
		wrongType: "InvalidParameterValue", Malformed: "MalformedQueryString", NoSuch: "InvalidAction", Internal: "InternalError",
		ec2: true, violations: eachEC2,
	},
}

// Of returns the words of a service, or those that most services of its protocol have.
func Of(desc *descriptor.Service) Dialect {
	d, ok := dialects[desc.SigningName]
	switch {
	case ok:
		return d
	case slices.Contains([]string{"awsquery", "ec2query", "restxml"}, desc.Protocols[0]):
		return queryDialect
	}
	return jsonDialect("ValidationException", "InternalFailure", joined)
}

func jsonDialect(invalid, internal string, violations func([]bind.Violation) []string) Dialect {
	return Dialect{
		invalid: invalid, unknown: invalid, unsupported: invalid, wrongType: "SerializationException",
		Malformed: "SerializationException", NoSuch: "UnknownOperationException", Internal: internal,
		violations: violations,
	}
}

var queryDialect = Dialect{
	invalid: "ValidationError", unknown: "ValidationError", unsupported: "ValidationError", wrongType: "MalformedInput",
	Malformed: "MalformedQueryString", NoSuch: "InvalidAction", Internal: "InternalFailure", violations: joined,
}

func unsupportedAs(code string, d Dialect) Dialect {
	d.unsupported = code
	return d
}

// Refuse makes the caller's error of all that is wrong with a request: first what cannot be read, then
// what is not known, what is not allowed, what is not supported, and what the operation's own check
// found. The code is that of the first. unsupported, if not empty, is the operation's code for what is
// not supported.
func (d Dialect) Refuse(f *bind.Faults, unsupported string, wrong []error) error {
	var m message
	for _, bad := range f.Malformed {
		m.say(d.wrongType, d.unreadable(bad))
	}
	if len(f.Unknown) > 0 {
		m.say(d.unknown, d.strangers(f.Unknown)...)
	}
	if len(f.Violations) > 0 {
		m.say(d.violated(f.Violations[0]), d.violations(f.Violations)...)
	}
	for _, name := range f.Unsupported {
		m.say(cmp.Or(unsupported, d.unsupported), fmt.Sprintf("The parameter '%s' is not supported by Skylift.", name))
	}
	for _, err := range wrong {
		code, text := d.invalid, err.Error()
		if api, ok := errors.AsType[smithy.APIError](err); ok {
			code, text = api.ErrorCode(), api.ErrorMessage()
		}
		m.say(code, text)
	}
	return m.error()
}

func (d Dialect) unreadable(f bind.Fault) string {
	if d.ec2 {
		return fmt.Sprintf("Value (%s) for parameter %s is invalid. Expecting %s.", strings.Trim(f.Got, "'"), f.Path, f.Want)
	}
	return fmt.Sprintf("Value %s at '%s' is not %s.", f.Got, f.Path, f.Want)
}

func (d Dialect) strangers(names []string) []string {
	if !d.ec2 {
		return []string{fmt.Sprintf("Unknown parameter: '%s'", strings.Join(names, "', '"))}
	}
	said := make([]string, len(names))
	for i, name := range names {
		said[i] = fmt.Sprintf("The parameter %s is not recognized", name)
	}
	return said
}

// violated is the code for v: EC2 has one of its own for what is missing.
func (d Dialect) violated(v bind.Violation) string {
	if d.ec2 && v.Rule == bind.Required {
		return "MissingParameter"
	}
	return d.invalid
}

// message is an error that says several things.
type message struct {
	code string
	said []string
}

// The bounds of a message: how many things it says, and how long, in bytes, it gets by them.
const (
	mostSaid    = 40
	longestSaid = 8 << 10
)

func (m *message) say(code string, texts ...string) {
	if m.code == "" {
		m.code = code
	}
	m.said = append(m.said, texts...)
}

// error joins the sentences: each ends with a period when another one follows.
func (m *message) error() error {
	var b strings.Builder
	for i, text := range m.said {
		if i == mostSaid || b.Len() > longestSaid {
			fmt.Fprintf(&b, " And %d more.", len(m.said)-i)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(text)
		if len(m.said) > 1 && !strings.HasSuffix(text, ".") {
			b.WriteByte('.')
		}
	}
	return awserr.New(m.code, "%s", b.String())
}

// joined is how most services say it: all violations in one sentence.
func joined(v []bind.Violation) []string {
	n := len(v)
	plural := "s"
	if n == 1 {
		plural = ""
	}
	more := ""
	if n > mostSaid {
		v, more = v[:mostSaid], fmt.Sprintf("; and %d more", n-mostSaid)
	}
	all := make([]string, len(v))
	for i, one := range v {
		all[i] = one.String()
	}
	return []string{fmt.Sprintf("%d validation error%s detected: %s%s", n, plural, strings.Join(all, "; "), more)}
}

// eachECR says violations in the words of ECR.
func eachECR(v []bind.Violation) []string {
	said := make([]string, len(v))
	for i, one := range v {
		must := one.Constraint()
		if one.Rule == bind.Pattern {
			must = fmt.Sprintf("must satisfy regular expression '%s'", one.Limit)
		}
		said[i] = fmt.Sprintf("Invalid parameter at '%s' failed to satisfy constraint: '%s'", one.Path, must)
	}
	return said
}

// eachEC2 says violations in the words of EC2.
func eachEC2(v []bind.Violation) []string {
	said := make([]string, len(v))
	for i, one := range v {
		if one.Rule == bind.Required {
			said[i] = "The request must contain the parameter " + one.Path
			continue
		}
		expecting := strings.TrimPrefix(strings.Replace(one.Constraint(), "must have", "a", 1), "must satisfy ")
		said[i] = fmt.Sprintf("Value (%s) for parameter %s is invalid. Expecting %s.", strings.Trim(one.Value, "'"), one.Path, expecting)
	}
	return said
}
