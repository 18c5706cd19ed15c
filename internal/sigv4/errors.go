package sigv4

import "net/http"

// Kind is a reason to refuse a request.
type Kind string

// The kinds of refusal.
const (
	Missing    Kind = "missing"     // there is no signature
	Incomplete Kind = "incomplete"  // there is one, but not all of it, or not well formed
	UnknownKey Kind = "unknown key" // no such access key, or a session token that does not go with it
	BadToken   Kind = "bad token"   // a session token that is none
	OldToken   Kind = "old token"   // a session token that has expired
	Mismatch   Kind = "mismatch"    // it is not the signature of this request
	Expired    Kind = "expired"     // it is too old, or from the future
	Broken     Kind = "broken"      // the body is not in the form that the head says
	Digest     Kind = "digest"      // the body has another hash than the head says
	Region     Kind = "region"      // it is for another region
	Outdated   Kind = "outdated"    // it is a presigned URL that is not good any more
	NotYet     Kind = "not yet"     // it is a presigned URL that is not good yet
	Unsigned   Kind = "unsigned"    // it does not sign a header that it must sign
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
	S3    Dialect = "s3" // https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
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
		BadToken:   {Code: "InvalidClientTokenId", Status: http.StatusForbidden},
		OldToken:   {Code: "ExpiredToken", Status: http.StatusForbidden},
		Mismatch:   {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
		Expired:    {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	},
	JSON: {
		Missing:    {Code: "MissingAuthenticationTokenException", Status: http.StatusBadRequest},
		Incomplete: {Code: "IncompleteSignatureException", Status: http.StatusBadRequest},
		UnknownKey: {Code: "UnrecognizedClientException", Status: http.StatusBadRequest},
		BadToken:   {Code: "UnrecognizedClientException", Status: http.StatusBadRequest},
		OldToken:   {Code: "ExpiredTokenException", Status: http.StatusBadRequest},
		Mismatch:   {Code: "InvalidSignatureException", Status: http.StatusBadRequest},
		Expired:    {Code: "InvalidSignatureException", Status: http.StatusBadRequest},
	},
	EC2: {
		Missing:    {Code: "MissingAuthenticationToken", Status: http.StatusForbidden},
		Incomplete: {Code: "IncompleteSignature", Status: http.StatusBadRequest},
		UnknownKey: {Code: "AuthFailure", Status: http.StatusUnauthorized, Message: "AWS was not able to validate the provided access credentials"},
		BadToken:   {Code: "AuthFailure", Status: http.StatusUnauthorized, Message: "AWS was not able to validate the provided access credentials"},
		OldToken:   {Code: "RequestExpired", Status: http.StatusBadRequest, Message: "Request has expired."},
		Mismatch:   {Code: "AuthFailure", Status: http.StatusUnauthorized},
		Expired:    {Code: "RequestExpired", Status: http.StatusBadRequest, Message: "Request has expired."},
	},
	S3: {
		Missing:    {Code: "AccessDenied", Status: http.StatusForbidden, Message: "Access Denied"},
		Incomplete: {Code: "AuthorizationHeaderMalformed", Status: http.StatusBadRequest},
		UnknownKey: {Code: "InvalidAccessKeyId", Status: http.StatusForbidden, Message: "The AWS Access Key Id you provided does not exist in our records."},
		BadToken:   {Code: "InvalidToken", Status: http.StatusBadRequest, Message: "The provided token is malformed or otherwise invalid."},
		OldToken:   {Code: "ExpiredToken", Status: http.StatusBadRequest, Message: "The provided token has expired."},
		Mismatch:   {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
		Expired:    {Code: "RequestTimeTooSkewed", Status: http.StatusForbidden},
		Region:     {Code: "AuthorizationHeaderMalformed", Status: http.StatusBadRequest},
		Outdated:   {Code: "AccessDenied", Status: http.StatusForbidden, Message: "Request has expired"},
		NotYet:     {Code: "AccessDenied", Status: http.StatusForbidden, Message: "Request is not yet valid"},
		Unsigned:   {Code: "AccessDenied", Status: http.StatusForbidden, Message: "There were headers present in the request which were not signed"},
		Broken:     {Code: "IncompleteBody", Status: http.StatusBadRequest},
		Digest:     {Code: "XAmzContentSHA256Mismatch", Status: http.StatusBadRequest},
	},
}

// For says how a service of dialect d answers e.
func (e *Error) For(d Dialect) Answer {
	a, ok := answers[d][e.Kind]
	if !ok && (e.Kind == Outdated || e.Kind == NotYet) {
		a, ok = answers[d][Expired]
	}
	if !ok { // only S3 tells it apart
		a = answers[d][Mismatch]
	}
	if a.Message == "" {
		a.Message = e.Message
	}
	return a
}
