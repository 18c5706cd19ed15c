package wire

import (
	"context"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// sdkOp is an operation of ours together with the SDK client's method for it.
type sdkOp struct {
	Operation
	call func(ctx context.Context, in any) (any, error)
}

// call makes an operation whose handler must not run, out of the SDK client's method.
func call[I, O, F any](name string, method func(context.Context, *I, ...func(*F)) (*O, error)) sdkOp {
	return sdkOp{
		Operation: Op(name, func(context.Context, *I) (*O, error) { panic("not to be called") }).Takes("*").On("*: *").Lacks("*", "it is for a test").Unions(cloudwatchUnions...),
		call: func(ctx context.Context, in any) (any, error) {
			return method(ctx, in.(*I))
		},
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// sdkConfig makes SDK clients ask f.
func sdkConfig(f roundTripper) aws.Config {
	return aws.Config{
		Region: "us-west-2",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
		HTTPClient: &http.Client{Transport: f},
		Retryer:    func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// operations returns all operations that have a descriptor and a golden request of the SDK's, of every
// service, bound to clients that ask f. The module of EFS has no golden requests.
func operations(f roundTripper) map[string][]sdkOp {
	all := sdkOperations(sdkConfig(f))
	delete(all, efsName)
	return all
}

// lasting are the operations that answer with events: the SDK has no golden requests of them, and their tests are their own.
var lasting = map[string]bool{"SelectObjectContent": true, "StartLiveTail": true}

// service makes the service of those operations.
func service(t testing.TB, name string, ops []sdkOp) *Service {
	t.Helper()
	var list []Operation
	for _, o := range ops {
		list = append(list, o.Operation)
	}
	s, err := NewService(name, list...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
