package api

import (
	"fmt"
	"slices"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
)

func certificate(arn string) []types.Certificate { return []types.Certificate{{CertificateArn: &arn}} }

var exactTLS = cmp.Options{exact, cmpopts.IgnoreUnexported(types.Certificate{}, types.MutualAuthenticationAttributes{}, types.SslPolicy{}, types.Cipher{})}

func TestHTTPSListeners(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lb := e.balancer("apps")
	create := func(port int32, change func(*elb.CreateListenerInput)) *elb.CreateListenerInput {
		in := &elb.CreateListenerInput{LoadBalancerArn: &lb, Protocol: "HTTPS", Port: &port, Certificates: certificate("cert/a"), DefaultActions: []types.Action{fixed("404")}}
		change(in)
		return in
	}
	as := func(*elb.CreateListenerInput) {}
	got := must(t, e.CreateListener, create(443, as)).Listeners[0]
	want := types.Listener{
		ListenerArn: got.ListenerArn, LoadBalancerArn: &lb, Port: new(int32(443)), Protocol: "HTTPS", DefaultActions: []types.Action{fixed("404")},
		SslPolicy: new("ELBSecurityPolicy-2016-08"), Certificates: certificate("cert/a"), MutualAuthentication: &types.MutualAuthenticationAttributes{Mode: new("off")},
	}
	if diff := cmp.Diff(want, got, exactTLS); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	if again := must(t, e.CreateListener, create(443, as)).Listeners[0]; *again.ListenerArn != *got.ListenerArn {
		t.Error("the same listener was created twice")
	}
	for _, tt := range []struct {
		name, code, words string
		change            func(*elb.CreateListenerInput)
	}{
		{"another certificate on the port", "DuplicateListener", lb, func(in *elb.CreateListenerInput) { in.Port, in.Certificates = new(int32(443)), certificate("cert/b") }},
		{"no certificate", "ValidationError", "A certificate must be specified for HTTPS listeners", func(in *elb.CreateListenerInput) { in.Certificates = nil }},
		{"two certificates", "ValidationError", "exactly one", func(in *elb.CreateListenerInput) { in.Certificates = append(in.Certificates, in.Certificates...) }},
		{"a certificate that isn't there", "CertificateNotFound", "Certificate 'cert/missing' not found", func(in *elb.CreateListenerInput) { in.Certificates = certificate("cert/missing") }},
		{"a certificate that can't be used", "UnsupportedCertificate", "The certificate 'cert/unfit' must have", func(in *elb.CreateListenerInput) { in.Certificates = certificate("cert/unfit") }},
		{"an unknown policy", "SSLPolicyNotFound", "'ELBSecurityPolicy-2000-01' not found", func(in *elb.CreateListenerInput) { in.SslPolicy = new("ELBSecurityPolicy-2000-01") }},
		{"a policy that isn't served", "InvalidConfigurationRequest", "FIPS 140-3", func(in *elb.CreateListenerInput) { in.SslPolicy = new("ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04") }},
		{"an ALPN policy", "ALPNPolicyNotFound", "ALPN", func(in *elb.CreateListenerInput) { in.AlpnPolicy = []string{"HTTP2Only"} }},
		{"HTTP with a certificate", "ValidationError", "only for HTTPS", func(in *elb.CreateListenerInput) { in.Protocol = "HTTP" }},
		{"TCP", "ValidationError", "must be one of 'HTTP, HTTPS'", func(in *elb.CreateListenerInput) { in.Protocol = "TCP" }},
		{"mutual authentication", "InvalidConfigurationRequest", "MutualAuthentication.Mode", func(in *elb.CreateListenerInput) {
			in.MutualAuthentication = &types.MutualAuthenticationAttributes{Mode: new("verify")}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { refused(t, tt.code, tt.words, e.CreateListener, create(8443, tt.change)) })
	}
	quantum := must(t, e.CreateListener, create(444, func(in *elb.CreateListenerInput) {
		in.SslPolicy, in.AlpnPolicy = new("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"), []string{"None"}
	})).Listeners[0]
	if *quantum.SslPolicy != "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09" {
		t.Errorf("created with %s", *quantum.SslPolicy)
	}
}

func TestModifyHTTPS(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lb := e.balancer("apps")
	l := e.listener(lb, 80, fixed("404"))
	modify := func(change func(*elb.ModifyListenerInput)) types.Listener {
		t.Helper()
		in := &elb.ModifyListenerInput{ListenerArn: &l}
		change(in)
		return must(t, e.ModifyListener, in).Listeners[0]
	}
	refused(t, "ValidationError", "A certificate must be specified", e.ModifyListener, &elb.ModifyListenerInput{ListenerArn: &l, Protocol: "HTTPS"})
	refused(t, "ValidationError", "only for HTTPS", e.ModifyListener, &elb.ModifyListenerInput{ListenerArn: &l, Certificates: certificate("cert/a")})
	refused(t, "CertificateNotFound", "cert/missing", e.ModifyListener, &elb.ModifyListenerInput{ListenerArn: &l, Protocol: "HTTPS", Certificates: certificate("cert/missing")})
	got := modify(func(in *elb.ModifyListenerInput) {
		in.Protocol, in.Port, in.Certificates = "HTTPS", new(int32(443)), certificate("cert/a")
	})
	if got.Protocol != "HTTPS" || *got.SslPolicy != "ELBSecurityPolicy-2016-08" || *got.Certificates[0].CertificateArn != "cert/a" || *got.Port != 443 {
		t.Errorf("over HTTPS: %+v", got)
	}
	must(t, e.AddListenerCertificates, &elb.AddListenerCertificatesInput{ListenerArn: &l, Certificates: certificate("cert/more")})
	got = modify(func(in *elb.ModifyListenerInput) { in.SslPolicy = new("ELBSecurityPolicy-TLS13-1-3-2021-06") })
	if *got.SslPolicy != "ELBSecurityPolicy-TLS13-1-3-2021-06" || *got.Certificates[0].CertificateArn != "cert/a" {
		t.Errorf("with another policy: %+v", got)
	}
	got = modify(func(in *elb.ModifyListenerInput) { in.Certificates = certificate("cert/b") })
	if *got.SslPolicy != "ELBSecurityPolicy-TLS13-1-3-2021-06" || *got.Certificates[0].CertificateArn != "cert/b" {
		t.Errorf("with another certificate: %+v", got)
	}
	if got := e.certificates(l); !slices.Equal(got, []string{"cert/b default", "cert/more"}) {
		t.Errorf("certificates %v", got)
	}
	if got := modify(func(in *elb.ModifyListenerInput) { in.Protocol = "HTTP" }); got.Protocol != "HTTP" || got.SslPolicy != nil || got.Certificates != nil {
		t.Errorf("over HTTP: %+v", got)
	}
	if got := e.certificates(l); len(got) != 0 {
		t.Errorf("certificates over HTTP: %v", got)
	}
}

// certificates are a listener's.
func (e env) certificates(listener string) (all []string) {
	e.t.Helper()
	in := &elb.DescribeListenerCertificatesInput{ListenerArn: &listener, PageSize: new(int32(1))}
	for {
		out := must(e.t, e.DescribeListenerCertificates, in)
		for _, c := range out.Certificates {
			name := *c.CertificateArn
			if *c.IsDefault {
				name += " default"
			}
			all = append(all, name)
		}
		if in.Marker = out.NextMarker; in.Marker == nil {
			return all
		}
	}
}

func TestListenerCertificates(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lb := e.balancer("apps")
	plain := e.listener(lb, 80, fixed("404"))
	https := func(port int32) string {
		return *must(t, e.CreateListener, &elb.CreateListenerInput{
			LoadBalancerArn: &lb, Protocol: "HTTPS", Port: &port, Certificates: certificate("cert/a"), DefaultActions: []types.Action{fixed("404")},
		}).Listeners[0].ListenerArn
	}
	l, other := https(443), https(444)
	add := func(listener string, arns ...string) *elb.AddListenerCertificatesInput {
		in := &elb.AddListenerCertificatesInput{ListenerArn: &listener}
		for _, arn := range arns {
			in.Certificates = append(in.Certificates, types.Certificate{CertificateArn: &arn})
		}
		return in
	}
	remove := func(arn string) *elb.RemoveListenerCertificatesInput {
		return &elb.RemoveListenerCertificatesInput{ListenerArn: &l, Certificates: certificate(arn)}
	}
	out := must(t, e.AddListenerCertificates, add(l, "cert/b", "cert/a"))
	if len(out.Certificates) != 2 || *out.Certificates[0].IsDefault {
		t.Errorf("added %+v", out.Certificates)
	}
	must(t, e.AddListenerCertificates, add(l, "cert/b"))
	if got := e.certificates(l); !slices.Equal(got, []string{"cert/a default", "cert/a", "cert/b"}) {
		t.Errorf("certificates %v", got)
	}
	refused(t, "ValidationError", "only for HTTPS", e.AddListenerCertificates, add(plain, "cert/b"))
	refused(t, "CertificateNotFound", "cert/missing", e.AddListenerCertificates, add(l, "cert/c", "cert/missing"))
	refused(t, "ListenerNotFound", "One or more listeners", e.AddListenerCertificates, add(l+"0", "cert/c"))
	var many []string
	for i := range 23 {
		many = append(many, fmt.Sprintf("cert/%d", i))
	}
	must(t, e.AddListenerCertificates, add(other, many...))
	refused(t, "TooManyCertificates", "'25'", e.AddListenerCertificates, add(l, "cert/c"))
	if got := e.certificates(l); len(got) != 3 {
		t.Errorf("certificates after what was refused: %v", got)
	}
	must(t, e.RemoveListenerCertificates, remove("cert/a"))
	refused(t, "OperationNotPermitted", "cert/a", e.RemoveListenerCertificates, remove("cert/a"))
	must(t, e.RemoveListenerCertificates, remove("cert/b"))
	must(t, e.RemoveListenerCertificates, remove("cert/b"))
	if got := e.certificates(l); !slices.Equal(got, []string{"cert/a default"}) {
		t.Errorf("certificates %v", got)
	}
	users := func(arn string) (found []string) {
		err := e.db.View(t.Context(), func(tx store.Tx) (err error) {
			found, err = elbv2.CertificateUsers(tx, arn)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if a, b, c := users("cert/a"), users("cert/b"), users("cert/3"); !slices.Equal(a, []string{lb}) || len(b) != 0 || len(c) != 1 {
		t.Errorf("users %v, %v, %v", a, b, c)
	}
}

func TestSSLPolicies(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	all := must(t, e.DescribeSSLPolicies, &elb.DescribeSSLPoliciesInput{}).SslPolicies
	one := must(t, e.DescribeSSLPolicies, &elb.DescribeSSLPoliciesInput{Names: []string{"ELBSecurityPolicy-FS-1-2-Res-2020-10"}, LoadBalancerType: "application"}).SslPolicies
	want := []types.SslPolicy{{
		Name: new("ELBSecurityPolicy-FS-1-2-Res-2020-10"), SslProtocols: []string{"TLSv1.2"}, SupportedLoadBalancerTypes: []string{"application", "network"},
		Ciphers: []types.Cipher{
			{Name: new("ECDHE-ECDSA-AES128-GCM-SHA256"), Priority: new(int32(1))},
			{Name: new("ECDHE-RSA-AES128-GCM-SHA256"), Priority: new(int32(2))},
			{Name: new("ECDHE-ECDSA-AES256-GCM-SHA384"), Priority: new(int32(3))},
			{Name: new("ECDHE-RSA-AES256-GCM-SHA384"), Priority: new(int32(4))},
		},
	}}
	if diff := cmp.Diff(want, one, exactTLS); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(all) != 45 {
		t.Errorf("%d policies", len(all))
	}
	if none := must(t, e.DescribeSSLPolicies, &elb.DescribeSSLPoliciesInput{LoadBalancerType: "gateway"}).SslPolicies; len(none) != 0 {
		t.Errorf("gateway balancers have %d policies", len(none))
	}
	refused(t, "SSLPolicyNotFound", "'x'", e.DescribeSSLPolicies, &elb.DescribeSSLPoliciesInput{Names: []string{"x"}})
}
