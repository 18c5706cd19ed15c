package elbv2

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Attributes that have an effect.
const (
	DeletionProtection  = "deletion_protection.enabled"
	IdleTimeout         = "idle_timeout.timeout_seconds"
	HTTP2               = "routing.http2.enabled"
	ClientKeepAlive     = "client_keep_alive.seconds"
	DesyncMode          = "routing.http.desync_mitigation_mode"
	DropInvalidHeaders  = "routing.http.drop_invalid_header_fields.enabled"
	PreserveHost        = "routing.http.preserve_host_header.enabled"
	ForwardedClientPort = "routing.http.xff_client_port.enabled"
	ForwardedMode       = "routing.http.xff_header_processing.mode"
	TellTLS             = "routing.http.x_amzn_tls_version_and_cipher_suite.enabled"
	ServerHeader        = "routing.http.response.server.enabled"
)

// Attribute is an attribute of a balancer or a target group: its default, and
// the check that other values must pass. Without a check, Skylift takes the default only.
// An attribute that is kept is checked, stored and shown, and has no effect.
type Attribute struct {
	Default string
	Check   func(string) bool
	Want    string // what Check wants, in words
	Kept    string // why another value than the default has no effect; "" when it has its effect
}

func between(from, to int) func(string) bool {
	return func(s string) bool {
		n, err := strconv.Atoi(s)
		return err == nil && n >= from && n <= to
	}
}

func among(values ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(values, s) }
}

// boolean is what several attributes want.
const boolean = "'true' or 'false'"

func isBool(s string) bool { return s == "true" || s == "false" }

// LoadBalancerAttributes are those of application load balancers
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html).
var LoadBalancerAttributes = map[string]Attribute{
	DeletionProtection: {"false", isBool, boolean, ""},
	IdleTimeout:        {"60", between(1, 4000), "between '1' and '4000'", ""},
	ClientKeepAlive:    {"3600", between(60, 604800), "between '60' and '604800'", ""},

	DesyncMode:          {"defensive", among("monitor", "defensive", "strictest"), "'monitor', 'defensive' or 'strictest'", ""},
	DropInvalidHeaders:  {"false", isBool, boolean, ""},
	PreserveHost:        {"false", isBool, boolean, ""},
	ForwardedClientPort: {"false", isBool, boolean, ""},
	ForwardedMode:       {"append", among("append", "preserve", "remove"), "'append', 'preserve' or 'remove'", ""},

	AccessLogs + logEnabled:             {"false", isBool, boolean, ""},
	AccessLogs + logBucket:              {"", isBucket, bucket, ""},
	AccessLogs + logPrefix:              {"", isLogPrefix, logPrefixes, ""},
	ConnectionLogs + logEnabled:         {"false", isBool, boolean, ""},
	ConnectionLogs + logBucket:          {"", isBucket, bucket, ""},
	ConnectionLogs + logPrefix:          {"", isLogPrefix, logPrefixes, ""},
	HealthLogs + logEnabled:             {"false", isBool, boolean, ""},
	HealthLogs + logBucket:              {"", isBucket, bucket, ""},
	HealthLogs + logPrefix:              {"", isLogPrefix, logPrefixes, ""},
	"load_balancing.cross_zone.enabled": {Default: "true"},
	TellTLS:                             {"false", isBool, boolean, ""},
	HTTP2:                               {"true", isBool, boolean, ""},
	"waf.fail_open.enabled":             {"false", isBool, boolean, "there is no WAF"},
	"zonal_shift.config.enabled":        {"false", isBool, boolean, "zones are all on this machine"},
}

// ResponseHeaders are the headers that listeners can set in answers, by the attributes that have their values.
var ResponseHeaders = map[string]string{
	"routing.http.response.strict_transport_security.header_value":        "Strict-Transport-Security",
	"routing.http.response.access_control_allow_origin.header_value":      "Access-Control-Allow-Origin",
	"routing.http.response.access_control_allow_methods.header_value":     "Access-Control-Allow-Methods",
	"routing.http.response.access_control_allow_headers.header_value":     "Access-Control-Allow-Headers",
	"routing.http.response.access_control_allow_credentials.header_value": "Access-Control-Allow-Credentials",
	"routing.http.response.access_control_expose_headers.header_value":    "Access-Control-Expose-Headers",
	"routing.http.response.access_control_max_age.header_value":           "Access-Control-Max-Age",
	"routing.http.response.content_security_policy.header_value":          "Content-Security-Policy",
	contentTypeOptions: "X-Content-Type-Options",
	"routing.http.response.x_frame_options.header_value": "X-Frame-Options",
}

// What targets are told of a client's TLS, by the attributes that have the headers' names.
const (
	TLSVersionName = "routing.http.request.x_amzn_tls_version.header_name"
	TLSSuiteName   = "routing.http.request.x_amzn_tls_cipher_suite.header_name"
)

// RequestHeaders are the headers whose names HTTPS listeners can change, by the attributes that have them
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/header-modification.html#rename-header).
var RequestHeaders = map[string]string{
	"routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name": "X-Amzn-Mtls-Clientcert-Serial-Number",
	"routing.http.request.x_amzn_mtls_clientcert_issuer.header_name":        "X-Amzn-Mtls-Clientcert-Issuer",
	"routing.http.request.x_amzn_mtls_clientcert_subject.header_name":       "X-Amzn-Mtls-Clientcert-Subject",
	"routing.http.request.x_amzn_mtls_clientcert_validity.header_name":      "X-Amzn-Mtls-Clientcert-Validity",
	"routing.http.request.x_amzn_mtls_clientcert_leaf.header_name":          "X-Amzn-Mtls-Clientcert-Leaf",
	"routing.http.request.x_amzn_mtls_clientcert.header_name":               "X-Amzn-Mtls-Clientcert",
	TLSVersionName: "X-Amzn-Tls-Version",
	TLSSuiteName:   "X-Amzn-Tls-Cipher-Suite",
}

var headerName = regexp.MustCompile("^[A-Za-z0-9_-]{0,40}$")

// ours are the headers that a balancer says for itself, or that say where a message ends: another can't have their names.
var ours = regexp.MustCompile("(?i)^(host|content-length|transfer-encoding|connection|keep-alive|proxy-.*|te|trailer|upgrade|expect|cookie|authorization|http2-settings|x-forwarded-.*|x-amzn-(trace-id|oidc-.*))$")

// isHeaderName tells whether a header may have the name; "" is its own.
func isHeaderName(s string) bool { return headerName.MatchString(s) && !ours.MatchString(s) }

const contentTypeOptions = "routing.http.response.x_content_type_options.header_value"

// headerValue is what AWS takes as the value of a header that a listener sets.
var headerValue = regexp.MustCompile("^[A-Za-z0-9 _:;.,\\\\/'?!(){}\\[\\]@<>=+*#&`|~^%-]*$")

func isHeaderValue(s string) bool { return len(s) <= 1024 && headerValue.MatchString(s) }

// ListenerAttributes are those of listeners of application load balancers
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ListenerAttribute.html).
var ListenerAttributes = func() map[string]Attribute {
	all := map[string]Attribute{ServerHeader: {"true", isBool, boolean, ""}}
	for key := range ResponseHeaders {
		all[key] = Attribute{"", isHeaderValue, "at most 1,024 letters, digits and characters that AWS allows there", ""}
	}
	for key, name := range RequestHeaders {
		a := Attribute{name, isHeaderName, "a header's name of at most 40 letters, digits, hyphens and underscores that means nothing else", ""}
		if key != TLSVersionName && key != TLSSuiteName {
			a.Kept = "clients have no certificates that targets could be told of"
		}
		all[key] = a
	}
	all[contentTypeOptions] = Attribute{"", among("nosniff"), "'nosniff'", ""}
	return all
}()

// Attribute is the value of one of ListenerAttributes.
func (l Listener) Attribute(key string) string { return valueOf(l.Attributes, ListenerAttributes, key) }

// Has tells whether the listener has an attribute: the names of headers are HTTPS listeners'.
func (l Listener) Has(key string) bool { return l.TLS != nil || RequestHeaders[key] == "" }

// valueOf is the value of one of the known attributes: that which was set, or its default.
func valueOf(set map[string]string, known map[string]Attribute, key string) string {
	if v, ok := set[key]; ok {
		return v
	}
	return known[key].Default
}

// Wishes lists what balancers, listeners and target groups keep without effect.
func Wishes(tx store.Tx) (out []wire.Wish, err error) {
	for l, err := range LoadBalancers.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list load balancers: %w", err)
		}
		out = append(out, wishes(LoadBalancerAttributes, l.Attributes, l.Name)...)
	}
	for l, err := range Listeners.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list listeners: %w", err)
		}
		out = append(out, wishes(ListenerAttributes, l.Attributes, l.ARN)...)
	}
	for g, err := range TargetGroups.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list target groups: %w", err)
		}
		out = append(out, wishes(TargetGroupAttributes, g.Attributes, g.Name)...)
	}
	return out, nil
}

// wishes lists the attributes of a resource that are set to another value than the default and have no effect.
func wishes(known map[string]Attribute, set map[string]string, resource string) (out []wire.Wish) {
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if a := known[key]; a.Kept != "" && set[key] != a.Default {
			out = append(out, wire.Wish{What: key, Why: a.Kept, Resource: resource})
		}
	}
	return out
}

// Kept lists those of the attributes that have no effect, each with the reason.
func Kept(attributes map[string]Attribute) map[string]string {
	out := map[string]string{}
	for key, a := range attributes {
		if a.Kept != "" {
			out[key] = a.Kept
		}
	}
	return out
}

// Attribute is the value of one of LoadBalancerAttributes.
func (l LoadBalancer) Attribute(key string) string {
	return valueOf(l.Attributes, LoadBalancerAttributes, key)
}

// Number is the value of an attribute that is a number.
func (l LoadBalancer) Number(key string) int { return number(l.Attribute(key)) }

// Is tells whether an attribute is set to 'true'.
func (l LoadBalancer) Is(key string) bool { return l.Attribute(key) == "true" }

// IdleTimeout is after how many seconds without data a connection is closed.
func (l LoadBalancer) IdleTimeout() int { return number(l.Attribute(IdleTimeout)) }

// number reads a value that has passed its check.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
