package config

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/s3/record"
)

// mostRules is how many rules a lifecycle configuration may have.
const mostRules = 1000

// lifecycleFaults is what is wrong with a lifecycle configuration
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html).
func lifecycleFaults(in *s3.PutBucketLifecycleConfigurationInput) []error {
	var f awserr.Faults
	if in.LifecycleConfiguration == nil || len(in.LifecycleConfiguration.Rules) == 0 || len(in.LifecycleConfiguration.Rules) > mostRules {
		f.Add(record.Fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"))
		return f
	}
	seen := map[string]bool{}
	for _, r := range in.LifecycleConfiguration.Rules {
		if r.ID != nil {
			if len(*r.ID) > 255 {
				f.Add(record.Invalid("ID", *r.ID, "ID length should not exceed allowed limit of 255"))
			}
			if seen[*r.ID] {
				f.Add(record.Invalid("ID", *r.ID, "Rule ID must be unique. Found same ID for more than one rule"))
			}
			seen[*r.ID] = true
		}
		f.Add(ruleFault(r))
	}
	return f
}

func ruleFault(r types.LifecycleRule) error {
	bad := func(format string, args ...any) error { return record.Fault("InvalidRequest", format, args...) }
	e, n, abort := r.Expiration, r.NoncurrentVersionExpiration, r.AbortIncompleteMultipartUpload
	switch {
	case e == nil && n == nil && abort == nil:
		return bad("At least one action needs to be specified in a rule")
	case (r.Filter != nil) == (r.Prefix != nil): //nolint:staticcheck // clients still say it
		return record.Fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	case abort != nil && (abort.DaysAfterInitiation == nil || *abort.DaysAfterInitiation < 1):
		return record.Fault("InvalidArgument", "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
	case abort != nil && narrow(r.Filter):
		return bad("AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.")
	case n != nil && (n.NoncurrentDays == nil || *n.NoncurrentDays < 1):
		return record.Fault("InvalidArgument", "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
	case n != nil && n.NewerNoncurrentVersions != nil && (*n.NewerNoncurrentVersions < 1 || *n.NewerNoncurrentVersions > 100):
		return record.Fault("InvalidArgument", "'NewerNoncurrentVersions' must be between 1 and 100")
	case e == nil:
		return nil
	}
	said := 0
	for _, is := range []bool{e.Date != nil, e.Days != nil, e.ExpiredObjectDeleteMarker != nil} {
		if is {
			said++
		}
	}
	switch {
	case said != 1:
		return record.Fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	case e.Days != nil && *e.Days < 1:
		return record.Fault("InvalidArgument", "'Days' for Expiration action must be a positive integer")
	case e.Date != nil && !e.Date.Equal(e.Date.UTC().Truncate(24*time.Hour)):
		return record.Fault("InvalidArgument", "'Date' must be at midnight GMT")
	case e.ExpiredObjectDeleteMarker != nil && narrow(r.Filter):
		return bad("ExpiredObjectDeleteMarker cannot be specified with Tags or object sizes.")
	}
	return nil
}

// narrow says whether a filter looks at more than keys.
func narrow(f *types.LifecycleRuleFilter) bool {
	if f == nil {
		return false
	}
	return f.Tag != nil || f.ObjectSizeGreaterThan != nil || f.ObjectSizeLessThan != nil ||
		f.And != nil && (len(f.And.Tags) > 0 || f.And.ObjectSizeGreaterThan != nil || f.And.ObjectSizeLessThan != nil)
}

// GetBucketLifecycleConfiguration returns the rules.
func (a API) GetBucketLifecycleConfiguration(ctx context.Context, in *s3.GetBucketLifecycleConfigurationInput) (*s3.GetBucketLifecycleConfigurationOutput, error) {
	return view(ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) (*s3.GetBucketLifecycleConfigurationOutput, error) {
		if b.Lifecycle == nil {
			return nil, none("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", b)
		}
		return &s3.GetBucketLifecycleConfigurationOutput{Rules: b.Lifecycle.Rules, TransitionDefaultMinimumObjectSize: b.Lifecycle.Minimum}, nil
	})
}

// PutBucketLifecycleConfiguration says what goes by itself.
func (a API) PutBucketLifecycleConfiguration(ctx context.Context, in *s3.PutBucketLifecycleConfigurationInput) (*s3.PutBucketLifecycleConfigurationOutput, error) {
	l := &record.Lifecycle{Rules: in.LifecycleConfiguration.Rules, Minimum: in.TransitionDefaultMinimumObjectSize}
	if l.Minimum == "" {
		l.Minimum = types.TransitionDefaultMinimumObjectSizeAllStorageClasses128k
	}
	for i := range l.Rules {
		if l.Rules[i].ID == nil {
			l.Rules[i].ID = new(id.UUID())
		}
	}
	out, err := change[s3.PutBucketLifecycleConfigurationOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		b.Lifecycle = l
		return nil
	})
	if out != nil {
		out.TransitionDefaultMinimumObjectSize = l.Minimum
	}
	return out, err
}

// DeleteBucketLifecycle removes the rules.
func (a API) DeleteBucketLifecycle(ctx context.Context, in *s3.DeleteBucketLifecycleInput) (*s3.DeleteBucketLifecycleOutput, error) {
	return change[s3.DeleteBucketLifecycleOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		b.Lifecycle = nil
		return nil
	})
}

// corsFaults is what is wrong with rules of CORS
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html).
func corsFaults(in *s3.PutBucketCorsInput) []error {
	var f awserr.Faults
	if n := len(in.CORSConfiguration.CORSRules); n == 0 || n > 100 {
		f.Add(record.Fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"))
	}
	for _, r := range in.CORSConfiguration.CORSRules {
		for _, m := range r.AllowedMethods {
			switch m {
			case "GET", "PUT", "POST", "DELETE", "HEAD":
			default:
				f.Add(record.Fault("InvalidRequest", "Found unsupported HTTP method in CORS config. Unsupported method is %s", m))
			}
		}
		for kind, list := range map[string][]string{"AllowedOrigin": r.AllowedOrigins, "AllowedHeader": r.AllowedHeaders} {
			for _, s := range list {
				if countStars(s) > 1 {
					f.Add(record.Fault("InvalidRequest", "%s \"%s\" can not have more than one wildcard.", kind, s))
				}
			}
		}
		for _, s := range r.ExposeHeaders {
			if countStars(s) > 0 {
				f.Add(record.Fault("InvalidRequest", "ExposeHeader \"%s\" contains wildcard. We currently do not support wildcard for ExposeHeader.", s))
			}
		}
	}
	return f
}

func countStars(s string) (n int) {
	for _, r := range s {
		if r == '*' {
			n++
		}
	}
	return n
}

// GetBucketCors returns the rules of CORS.
func (a API) GetBucketCors(ctx context.Context, in *s3.GetBucketCorsInput) (*s3.GetBucketCorsOutput, error) {
	return view(ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) (*s3.GetBucketCorsOutput, error) {
		if len(b.CORS) == 0 {
			return nil, none("NoSuchCORSConfiguration", "The CORS configuration does not exist", b)
		}
		return &s3.GetBucketCorsOutput{CORSRules: b.CORS}, nil
	})
}

// PutBucketCors says which pages may ask for the bucket's objects.
func (a API) PutBucketCors(ctx context.Context, in *s3.PutBucketCorsInput) (*s3.PutBucketCorsOutput, error) {
	return change[s3.PutBucketCorsOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		b.CORS = in.CORSConfiguration.CORSRules
		return nil
	})
}

// DeleteBucketCors removes the rules.
func (a API) DeleteBucketCors(ctx context.Context, in *s3.DeleteBucketCorsInput) (*s3.DeleteBucketCorsOutput, error) {
	return change[s3.DeleteBucketCorsOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		b.CORS = nil
		return nil
	})
}

// CORS is what an answer tells a browser of who may read it.
type CORS struct {
	Origin          string
	Any             bool // Origin is everybody's
	Methods, Expose []string
	Headers         []string // that the request may have
	MaxAge          string   // in seconds; "" is the browser's own
}

// Allowed returns the first rule that lets a page of that origin make a request with the method and, in a preflight, the
// headers (https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html).
func Allowed(rules []types.CORSRule, origin, method string, headers []string) (CORS, bool) {
	for _, r := range rules {
		from, ok := oneFits(r.AllowedOrigins, origin)
		if _, may := oneFits(r.AllowedMethods, method); !ok || !may || !allFit(r.AllowedHeaders, headers) {
			continue
		}
		c := CORS{Origin: origin, Any: from == "*", Methods: r.AllowedMethods, Expose: r.ExposeHeaders, Headers: headers}
		if r.MaxAgeSeconds != nil {
			c.MaxAge = fmt.Sprint(*r.MaxAgeSeconds)
		}
		return c, true
	}
	return CORS{}, false
}
