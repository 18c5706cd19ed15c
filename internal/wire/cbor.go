package wire

import (
	"bytes"
	"net/http"
	"reflect"
	"strings"

	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
	"github.com/skylift/skylift/internal/wire/rpccbor"
)

// cborCodec is Smithy RPC v2 CBOR: the operation in the path, CBOR in both directions.
type cborCodec struct{}

const (
	smithyProtocol = "Smithy-Protocol"
	rpcv2          = "rpc-v2-cbor"
)

type cborRequest struct {
	name string
	body []byte
}

func (cborCodec) speaks(r *http.Request, _ []byte) bool { return r.Header.Get(smithyProtocol) == rpcv2 }

// open reads the path, which ends in /service/GraniteServiceVersion20100801/operation/PutMetricData.
func (cborCodec) open(s *descriptor.Service, r *http.Request, body []byte) (request, error) {
	_, name, ok := strings.Cut(r.URL.Path, "/service/"+s.Target+"/operation/")
	if !ok || r.Method != http.MethodPost {
		name = ""
	}
	return cborRequest{name, body}, nil
}

func (r cborRequest) operation() string { return r.name }

func (r cborRequest) input(*bind.Type) (bind.Value, error) { return rpccbor.Parse(r.body) }

func (cborCodec) unnamed() string { return "UnknownOperationException" }

func (cborCodec) contentType() string { return "application/cbor" }

func (cborCodec) answer(w *bytes.Buffer, _ *descriptor.Service, op *operation, _ string, out reflect.Value) error {
	return rpccbor.Write(w, op.output, out)
}

func (cborCodec) head(h http.Header, _ *operation, _ reflect.Value) int {
	h.Set(smithyProtocol, rpcv2)
	return http.StatusOK
}

func (cborCodec) failure(h http.Header, _, _ string, f failure) ([]byte, error) {
	h.Set(smithyProtocol, rpcv2)
	m := map[string]any{}
	if f.members != nil {
		m = rpccbor.Fields(f.members, f.value)
	}
	m["__type"], m["message"] = f.code, f.message
	return rpccbor.Encode(m)
}
