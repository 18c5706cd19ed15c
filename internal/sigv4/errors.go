package sigv4

import "net/http"

// Kind is a reason to refuse a request.
type Kind string

// The kinds of refusal.
const (
	Missing    Kind = "missing"     // there is no signature
	Incomplete Kind = "incomplete"  // there is one, but not all of it, or not well formed
	UnknownKey Kind = "unknown key" // no such access key, or a session token that is not valid
	Mismatch   Kind = "mismatch"    // it is not the signature of this request
	Expired    Kind = "expired"     // it is too old, or from the future
)

// Error refuses a request. What it is called on the wire depends on who
// answers: see For.
type Error struct {
	Kind    Kind
	Message string
}

func (e *Error) Error() string { return string(e.Kind) + ": " + e.Message }

// Dialect is a family of AWS services that name these errors alike.
type Dialect string

// The dialects.
const (
	Query Dialect = "query" // query and REST services
	JSON  Dialect = "json"  // JSON and CBOR services
	EC2   Dialect = "ec2"
)

// Answer is an error as it goes on the wire.
type Answer struct {
	Code    string
	Status  int
	Message string // "": the error's own
}

// answers pins which code, status and words each family of services uses.
var answers = map[Dialect]map[Kind]Answer{
	Query: {
		Missing:    {Code: "MissingAuthenticationToken", Status: http.StatusForbidden},
		Incomplete: {Code: "IncompleteSignature", Status: http.StatusBadRequest},
		UnknownKey: {Code: "InvalidClientTokenId", Status: http.StatusForbidden},
		Mismatch:   {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
		Expired:    {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	},
	JSON: {
		Missing:    {Code: "MissingAuthenticationTokenException", Status: http.StatusBadRequest},
		Incomplete: {Code: "IncompleteSignatureException", Status: http.StatusBadRequest},
		UnknownKey: {Code: "UnrecognizedClientException", Status: http.StatusBadRequest},
		Mismatch:   {Code: "InvalidSignatureException", Status: http.StatusBadRequest},
		Expired:    {Code: "InvalidSignatureException", Status: http.StatusBadRequest},
	},
	EC2: {
		Missing:    {Code: "MissingAuthenticationToken", Status: http.StatusForbidden},
		Incomplete: {Code: "IncompleteSignature", Status: http.StatusBadRequest},
		UnknownKey: {Code: "AuthFailure", Status: http.StatusUnauthorized, Message: "AWS was not able to validate the provided access credentials"},
		Mismatch:   {Code: "AuthFailure", Status: http.StatusUnauthorized},
		Expired:    {Code: "RequestExpired", Status: http.StatusBadRequest, Message: "Request has expired."},
	},
}

// For says how a service of dialect d answers e.
func (e *Error) For(d Dialect) Answer {
	a := answers[d][e.Kind]
	if a.Message == "" {
		a.Message = e.Message
	}
	return a
}
