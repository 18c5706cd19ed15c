package listeners

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
	"github.com/skylift/skylift/internal/service/elbv2/rules"
	"github.com/skylift/skylift/internal/service/elbv2/tlspolicy"
	"github.com/skylift/skylift/internal/store"
)

// maxCertificates is how many certificates the listeners of a balancer may have besides
// their default ones
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html).
const maxCertificates = 25

func noDefault() error { return request.Invalid("A certificate must be specified for HTTPS listeners") }

// tlsFaults returns the faults of a policy and of a default certificate by themselves.
func tlsFaults(policy *string, certificates []types.Certificate, alpn []string) (f awserr.Faults) {
	if name := aws.ToString(policy); name != "" {
		p, known := tlspolicy.Find(name)
		switch {
		case !known:
			f.Add(noPolicy(name))
		case p.Unserved != "":
			f.Add(request.Misconfigured("The value '%s' of parameter 'SslPolicy' is not supported by Skylift: %s", name, p.Unserved))
		}
	}
	if len(certificates) > 1 {
		f.Add(request.Invalid("You must specify exactly one default certificate. Use AddListenerCertificates for more"))
	}
	if slices.ContainsFunc(certificates, func(c types.Certificate) bool { return aws.ToString(c.CertificateArn) == "" }) {
		f.Add(request.Invalid("A certificate ARN must be specified"))
	}
	if slices.ContainsFunc(alpn, func(p string) bool { return p != "" && p != "None" }) {
		f.Add(&types.ALPNPolicyNotSupportedException{Message: new("ALPN policies are for TLS listeners: an HTTPS listener offers HTTP/2 as the balancer's attribute routing.http2.enabled says")})
	}
	return f
}

func noPolicy(name string) error {
	return &types.SSLPolicyNotFoundException{Message: new("SSL policy '" + name + "' not found")}
}

// plainFault says that an HTTP listener has neither policy nor certificate.
func plainFault(policy *string, certificates []types.Certificate) error {
	if aws.ToString(policy) != "" || len(certificates) > 0 {
		return request.Invalid("An SSL policy and certificates can be specified only for HTTPS listeners")
	}
	return nil
}

// newTLS is what a new listener is to speak; nil is HTTP.
func newTLS(in *elb.CreateListenerInput) *elbv2.TLS {
	if in.Protocol != types.ProtocolEnumHttps {
		return nil
	}
	t := &elbv2.TLS{Policy: tlspolicy.Default, Certificate: *in.Certificates[0].CertificateArn}
	if name := aws.ToString(in.SslPolicy); name != "" {
		t.Policy = name
	}
	return t
}

// sameTLS tells whether two listeners were made with the same policy and certificate.
func sameTLS(a, b *elbv2.TLS) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Policy == b.Policy && a.Certificate == b.Certificate
}

// changeTLS changes a listener's protocol, policy and default certificate.
func (a *API) changeTLS(tx store.Tx, l *elbv2.Listener, in *elb.ModifyListenerInput) error {
	switch {
	case in.Protocol == types.ProtocolEnumHttp:
		l.TLS = nil
		return plainGroups(tx, *l)
	case in.Protocol == "" && l.TLS == nil:
		return plainFault(in.SslPolicy, in.Certificates)
	}
	t := elbv2.TLS{Policy: tlspolicy.Default}
	if l.TLS != nil {
		t = *l.TLS
	}
	if name := aws.ToString(in.SslPolicy); name != "" {
		t.Policy = name
	}
	if len(in.Certificates) > 0 {
		t.Certificate = *in.Certificates[0].CertificateArn
		if err := a.certificatesFault(tx, []string{t.Certificate}); err != nil {
			return err
		}
	}
	if t.Certificate == "" {
		return noDefault()
	}
	l.TLS = &t
	return nil
}

// plainGroups says that a listener can't speak HTTP because of the groups that its rules send requests to.
func plainGroups(tx store.Tx, l elbv2.Listener) error {
	there, err := elbv2.Rules.By(tx, "listener", l.ARN)
	if err != nil {
		return fmt.Errorf("list rules of %s: %w", l.ARN, err)
	}
	for _, r := range there {
		for _, arn := range r.Action.Groups() {
			g, err := request.TargetGroup.Get(tx, arn)
			if err != nil {
				return err
			}
			if err := rules.VersionFault(l, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// certificatesFault says why listeners can't have certificates.
func (a *API) certificatesFault(tx store.Tx, arns []string) error {
	for _, arn := range arns {
		there, can, err := a.certs.Servable(tx, arn)
		switch {
		case err != nil:
			return fmt.Errorf("look for certificate %s: %w", arn, err)
		case !there:
			return &types.CertificateNotFoundException{Message: new("Certificate '" + arn + "' not found")}
		case !can:
			return awserr.New("UnsupportedCertificate", "The certificate '%s' must have a fully-qualified domain name, a supported signature, and a supported key size.", arn)
		}
	}
	return nil
}

// editCertificates changes the certificates that an HTTPS listener has besides its default one.
func (a *API) editCertificates(ctx context.Context, listener string, change func(store.Tx, *elbv2.Listener) error) error {
	_, err := handler.Update(ctx, a.db, func(tx store.Tx) (elbv2.Listener, error) {
		l, err := request.Listener.Get(tx, listener)
		if err != nil {
			return l, err
		}
		if l.TLS == nil {
			return l, request.Invalid("Certificates can be specified only for HTTPS listeners")
		}
		if err := change(tx, &l); err != nil {
			return l, err
		}
		return l, elbv2.Listeners.Put(tx, l.ARN, l)
	})
	return err
}

// AddListenerCertificates gives an HTTPS listener more certificates. Those that it has stay.
func (a *API) AddListenerCertificates(ctx context.Context, in *elb.AddListenerCertificatesInput) (*elb.AddListenerCertificatesOutput, error) {
	if err := tlsFaults(nil, in.Certificates[:min(len(in.Certificates), 1)], nil).First(); err != nil {
		return nil, err
	}
	out := &elb.AddListenerCertificatesOutput{}
	err := a.editCertificates(ctx, *in.ListenerArn, func(tx store.Tx, l *elbv2.Listener) error {
		out.Certificates = nil
		for _, c := range in.Certificates {
			arn := aws.ToString(c.CertificateArn)
			if err := a.certificatesFault(tx, []string{arn}); err != nil {
				return err
			}
			if !slices.Contains(l.TLS.More, arn) {
				l.TLS.More = append(l.TLS.More, arn)
			}
			out.Certificates = append(out.Certificates, types.Certificate{CertificateArn: new(arn), IsDefault: new(false)})
		}
		return roomFault(tx, *l)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// roomFault says that a balancer has too many certificates if l is one of its listeners.
func roomFault(tx store.Tx, l elbv2.Listener) error {
	siblings, err := elbv2.Listeners.By(tx, "loadbalancer", l.LoadBalancer)
	if err != nil {
		return fmt.Errorf("list listeners of %s: %w", l.LoadBalancer, err)
	}
	n := len(l.TLS.More)
	for _, s := range siblings {
		if s.ARN != l.ARN && s.TLS != nil {
			n += len(s.TLS.More)
		}
	}
	if n > maxCertificates {
		return &types.TooManyCertificatesException{Message: new("You've reached the limit on the number of certificates per load balancer: '25'")}
	}
	return nil
}

// RemoveListenerCertificates takes certificates from an HTTPS listener, but for its default one.
func (a *API) RemoveListenerCertificates(ctx context.Context, in *elb.RemoveListenerCertificatesInput) (*elb.RemoveListenerCertificatesOutput, error) {
	err := a.editCertificates(ctx, *in.ListenerArn, func(_ store.Tx, l *elbv2.Listener) error {
		for _, c := range in.Certificates {
			arn := aws.ToString(c.CertificateArn)
			i := slices.Index(l.TLS.More, arn)
			if i < 0 && arn == l.TLS.Certificate {
				return request.NotPermitted("Default certificate '%s' cannot be removed from listener '%s'", arn, l.ARN)
			}
			if i >= 0 {
				l.TLS.More = slices.Delete(l.TLS.More, i, i+1)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &elb.RemoveListenerCertificatesOutput{}, nil
}

// DescribeListenerCertificates lists a listener's certificates, the default one first, and once more where it is among the others.
func (a *API) DescribeListenerCertificates(ctx context.Context, in *elb.DescribeListenerCertificatesInput) (*elb.DescribeListenerCertificatesOutput, error) {
	page, err := request.Pages.Open(in.PageSize, in.Marker, in.ListenerArn)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeListenerCertificatesOutput, error) {
		l, err := request.Listener.Get(tx, *in.ListenerArn)
		if err != nil {
			return nil, err
		}
		var all []types.Certificate
		if l.TLS != nil {
			all = append(all, types.Certificate{CertificateArn: new(l.TLS.Certificate), IsDefault: new(true)})
			for _, arn := range l.TLS.More {
				all = append(all, types.Certificate{CertificateArn: new(arn), IsDefault: new(false)})
			}
		}
		part, next := handler.Cut(page, all, func(c types.Certificate) string {
			if *c.IsDefault {
				return "0"
			}
			return "1" + *c.CertificateArn
		})
		return &elb.DescribeListenerCertificatesOutput{Certificates: append([]types.Certificate{}, part...), NextMarker: next}, nil
	})
}

// DescribeSSLPolicies lists AWS's security policies, or those that are named.
func (a *API) DescribeSSLPolicies(_ context.Context, in *elb.DescribeSSLPoliciesInput) (*elb.DescribeSSLPoliciesOutput, error) {
	page, err := request.Pages.Open(in.PageSize, in.Marker, in.Names, in.LoadBalancerType)
	if err != nil {
		return nil, err
	}
	for _, name := range in.Names {
		if _, known := tlspolicy.Find(name); !known {
			return nil, noPolicy(name)
		}
	}
	kinds := []string{"application", "network"}
	var found []types.SslPolicy
	for _, p := range tlspolicy.All() {
		named := len(in.Names) == 0 || slices.Contains(in.Names, p.Name)
		if !named || in.LoadBalancerType != "" && !slices.Contains(kinds, string(in.LoadBalancerType)) {
			continue
		}
		out := types.SslPolicy{Name: new(p.Name), SslProtocols: p.Protocols, SupportedLoadBalancerTypes: kinds}
		for i, c := range p.Ciphers {
			out.Ciphers = append(out.Ciphers, types.Cipher{Name: new(c), Priority: new(int32(i + 1))})
		}
		found = append(found, out)
	}
	part, next := handler.Cut(page, found, func(p types.SslPolicy) string { return *p.Name })
	return &elb.DescribeSSLPoliciesOutput{SslPolicies: append([]types.SslPolicy{}, part...), NextMarker: next}, nil
}
