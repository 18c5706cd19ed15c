package wire

import (
	"fmt"
	"strings"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/wire/bind"
)

// dialect is the codes that a service uses for what is wrong with a request before a handler sees it.
//
// AWS documents them per service (ECS, ECR and Logs: InvalidParameterException; the query services:
// ValidationError; EC2: its table of client error codes) and per protocol (SerializationException,
// UnknownOperationException, InvalidAction, MalformedQueryString).
type dialect struct {
	invalid   string // a constraint is not met
	unknown   string // a parameter that the service does not have
	wrongType string // a value that is not of its parameter's type
	malformed string // a body that cannot be read at all
	noSuch    string // an operation that the service does not have, or we do not implement
	internal  string // a fault of ours
	ec2       bool   // EC2 has a wording of its own for everything

	violations func(code string, v []bind.Violation) error
}

var dialects = map[string]dialect{
	"ecs":                  jsonDialect("InvalidParameterException", "ServerException", joined),
	"ecr":                  jsonDialect("InvalidParameterException", "ServerException", firstECR),
	"logs":                 jsonDialect("InvalidParameterException", "ServiceUnavailableException", joined),
	"elasticfilesystem":    jsonDialect("ValidationException", "InternalServerError", joined),
	"elasticloadbalancing": queryDialect,
	"sts":                  queryDialect,
	"ec2": {
		invalid: "InvalidParameterValue", unknown: "UnknownParameter", wrongType: "InvalidParameterValue",
		malformed: "MalformedQueryString", noSuch: "InvalidAction", internal: "InternalError",
		ec2: true, violations: firstEC2,
	},
}

func jsonDialect(invalid, internal string, violations func(string, []bind.Violation) error) dialect {
	return dialect{
		invalid: invalid, unknown: invalid, wrongType: "SerializationException",
		malformed: "SerializationException", noSuch: "UnknownOperationException", internal: internal,
		violations: violations,
	}
}

var queryDialect = dialect{
	invalid: "ValidationError", unknown: "ValidationError", wrongType: "MalformedInput",
	malformed: "MalformedQueryString", noSuch: "InvalidAction", internal: "InternalFailure", violations: joined,
}

// refuse makes the caller's error of faults: first what cannot be read, then what is not known,
// then what is not allowed.
func (d dialect) refuse(f *bind.Faults) error {
	if len(f.Malformed) > 0 {
		m := f.Malformed[0]
		if d.ec2 {
			return awserr.New(d.wrongType, "Value (%s) for parameter %s is invalid. Expecting %s.", strings.Trim(m.Got, "'"), m.Path, m.Want)
		}
		return awserr.New(d.wrongType, "Value %s at '%s' is not %s.", m.Got, m.Path, m.Want)
	}
	if len(f.Unknown) > 0 {
		if d.ec2 {
			return awserr.New(d.unknown, "The parameter %s is not recognized", f.Unknown[0])
		}
		return awserr.New(d.unknown, "Unknown parameter: '%s'", strings.Join(f.Unknown, "', '"))
	}
	return d.violations(d.invalid, f.Violations)
}

// joined is how most services say it: all violations in one sentence.
func joined(code string, v []bind.Violation) error {
	all := make([]string, len(v))
	for i, one := range v {
		all[i] = one.String()
	}
	plural := "s"
	if len(v) == 1 {
		plural = ""
	}
	return awserr.New(code, "%d validation error%s detected: %s", len(v), plural, strings.Join(all, "; "))
}

// firstECR says the first violation in the words of ECR.
func firstECR(code string, v []bind.Violation) error {
	must := v[0].Constraint()
	if v[0].Rule == bind.Pattern {
		must = fmt.Sprintf("must satisfy regular expression '%s'", v[0].Limit)
	}
	return awserr.New(code, "Invalid parameter at '%s' failed to satisfy constraint: '%s'", v[0].Path, must)
}

// firstEC2 says the first violation in the words of EC2, which has a code of its own for what is missing.
func firstEC2(code string, v []bind.Violation) error {
	if v[0].Rule == bind.Required {
		return awserr.New("MissingParameter", "The request must contain the parameter %s", v[0].Path)
	}
	expecting := strings.TrimPrefix(strings.Replace(v[0].Constraint(), "must have", "a", 1), "must satisfy ")
	return awserr.New(code, "Value (%s) for parameter %s is invalid. Expecting %s.",
		strings.Trim(v[0].Value, "'"), v[0].Path, expecting)
}
