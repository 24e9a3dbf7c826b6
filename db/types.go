package db

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// registerTypes makes the driver send and read ids as 16 bytes, by themselves, in
// arrays and in COPY, and read times in UTC. Without it the driver uses the SQL
// methods of ids, which speak text, and gives times in the zone of the server.
func registerTypes(m *pgtype.Map) {
	m.RegisterType(&pgtype.Type{Name: "uuid", OID: pgtype.UUIDOID, Codec: uuidCodec{}})
	m.RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
}

// uuidCodec is the driver's, but for ids in binary. It is a codec since the
// driver looks at SQL methods before it lets anybody wrap a type.
type uuidCodec struct{ pgtype.UUIDCodec }

func (c uuidCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	switch value.(type) {
	case uuid.UUID, *uuid.UUID:
		if format == pgtype.BinaryFormatCode {
			return uuidPlan{}
		}
	}
	return c.UUIDCodec.PlanEncode(m, oid, format, value)
}

func (c uuidCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, ok := target.(*uuid.UUID); ok && format == pgtype.BinaryFormatCode {
		return uuidPlan{}
	}
	return c.UUIDCodec.PlanScan(m, oid, format, target)
}

type uuidPlan struct{}

func (uuidPlan) Encode(value any, buf []byte) ([]byte, error) {
	if p, ok := value.(*uuid.UUID); ok {
		value = *p // not nil: NULL needs no plan
	}
	id := value.(uuid.UUID)
	return append(buf, id[:]...), nil
}

// Scan leaves zero for NULL.
func (uuidPlan) Scan(src []byte, target any) error {
	id := target.(*uuid.UUID)
	if src == nil {
		*id = uuid.Nil
		return nil
	}
	if copy(id[:], src) != len(src) || len(src) != len(id) {
		return fmt.Errorf("a uuid of %d bytes", len(src))
	}
	return nil
}
