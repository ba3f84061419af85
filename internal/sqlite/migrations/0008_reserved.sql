-- Reserved: another change has this number.
SELECT 1;
