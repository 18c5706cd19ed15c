package request

import (
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/store"
)

// ReadToken returns the client token of a request, with the digest of in, the request's SDK input by value.
func ReadToken[I any](token *string, in I) (ec2.Token, error) {
	if aws.ToString(token) == "" {
		return ec2.Token{}, nil
	}
	if !handler.ValidClientToken(*token, handler.MaxClientToken) {
		return ec2.Token{}, awserr.New("InvalidParameterValue", "Value (%s) for parameter clientToken is invalid. It must have at most %d printable ASCII characters.", *token, handler.MaxClientToken)
	}
	reflect.ValueOf(&in).Elem().FieldByName("ClientToken").SetZero()
	digest, err := handler.Digest(in)
	return ec2.Token{Client: *token, Digest: digest}, err
}

// Again returns the record that a request with the same client token made before. The same token with another request is
// IdempotentParameterMismatch.
func Again[T any](tx store.Tx, t *store.Table[T], token ec2.Token, of func(*T) ec2.Token) (had T, there bool, err error) {
	if token.Client == "" {
		return had, false, nil
	}
	for v, err := range t.Scan(tx, "", "") {
		if err != nil {
			return had, false, err
		}
		switch made := of(&v); {
		case made.Client != token.Client:
		case made.Digest != token.Digest:
			return had, false, awserr.New("IdempotentParameterMismatch", "The client token '%s' was used before, with other parameters.", token.Client)
		default:
			return v, true, nil
		}
	}
	return had, false, nil
}
