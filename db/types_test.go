package db

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

func TestUUIDs_TravelAsTheirBytes(t *testing.T) {
	t.Parallel()
	m := pgtype.NewMap()
	registerTypes(m)
	id := uuid.MustParse("018f3c5e-9f6a-7c3d-8b1a-2f4e6d8c0b1a")
	for _, value := range []any{id, &id} {
		if plan := fmt.Sprintf("%T", m.PlanEncode(pgtype.UUIDOID, pgtype.BinaryFormatCode, value)); strings.Contains(plan, "Valuer") {
			t.Errorf("%T is encoded by its SQL method", value)
		}
		got, err := m.Encode(pgtype.UUIDOID, pgtype.BinaryFormatCode, value, nil)
		if err != nil || !bytes.Equal(got, id[:]) {
			t.Errorf("%T: got %x, %v", value, got, err)
		}
	}
	if got, err := m.Encode(pgtype.UUIDOID, pgtype.BinaryFormatCode, (*uuid.UUID)(nil), []byte{}); got != nil || err != nil {
		t.Errorf("a nil pointer: got %x, %v", got, err)
	}
	list := []uuid.UUID{id, uuid.Nil}
	text, err := m.Encode(pgtype.UUIDArrayOID, pgtype.BinaryFormatCode, list, nil)
	var back []uuid.UUID
	if err == nil {
		err = m.Scan(pgtype.UUIDArrayOID, pgtype.BinaryFormatCode, text, &back)
	}
	if err != nil || len(back) != 2 || back[0] != id || back[1] != uuid.Nil {
		t.Errorf("an array came back as %v, %v", back, err)
	}
	var one uuid.UUID
	if plan := fmt.Sprintf("%T", m.PlanScan(pgtype.UUIDOID, pgtype.BinaryFormatCode, &one)); strings.Contains(plan, "SQLScanner") {
		t.Errorf("an id is read by its SQL method, %s", plan)
	}
	if err := m.Scan(pgtype.UUIDOID, pgtype.BinaryFormatCode, id[:15], &one); err == nil {
		t.Error("15 bytes are an id")
	}
	if err := m.Scan(pgtype.UUIDOID, pgtype.BinaryFormatCode, nil, &one); err != nil || one != uuid.Nil {
		t.Errorf("NULL came back as %v, %v", one, err)
	}
	var p *uuid.UUID
	if err := m.Scan(pgtype.UUIDOID, pgtype.BinaryFormatCode, id[:], &p); err != nil || p == nil || *p != id {
		t.Errorf("a pointer came back as %v, %v", p, err)
	}
}

func TestTimes_AreReadInUTC(t *testing.T) {
	t.Parallel()
	m := pgtype.NewMap()
	registerTypes(m)
	at := time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC)
	for _, format := range []int16{pgtype.BinaryFormatCode, pgtype.TextFormatCode} {
		text, err := m.Encode(pgtype.TimestamptzOID, format, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		var one time.Time
		var p *time.Time
		if err := errors.Join(m.Scan(pgtype.TimestamptzOID, format, text, &one), m.Scan(pgtype.TimestamptzOID, format, text, &p)); err != nil {
			t.Fatal(err)
		}
		for _, got := range []time.Time{one, *p} {
			if !got.Equal(at) || got.Location() != time.UTC {
				t.Errorf("format %d: %v came back as %v", format, at, got)
			}
		}
	}
}
