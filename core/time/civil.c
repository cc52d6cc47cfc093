/* SPDX-License-Identifier: MIT
 * See civil.h. Years are counted from March, so that the leap day is a year's last; 400 years are
 * always 146,097 days.
 */
#include "core/time/civil.h"

#define DAY INT64_C(86400)

bool civil_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int civil_month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && civil_leap(year) ? 29 : days[month - 1];
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t civil_days(int64_t year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

int64_t civil_day_number(int64_t seconds)
{
    return floor_div(seconds, DAY);
}

int civil_second_of_day(int64_t seconds)
{
    int64_t rest = seconds % DAY;
    return (int)(rest < 0 ? rest + DAY : rest);
}

void civil_from_seconds(int64_t seconds, struct civil *ret)
{
    int64_t number = civil_day_number(seconds);
    int64_t days = number + 719468;
    int64_t era = floor_div(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int shifted = (int)((5 * day_of_year + 2) / 153);
    int rest = civil_second_of_day(seconds);
    int64_t weekday = (number % 7 + 11) % 7;

    ret->day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    ret->month = shifted < 10 ? shifted + 3 : shifted - 9;
    ret->year = year_of_era + era * 400 + (ret->month <= 2);
    ret->hour = rest / 3600;
    ret->minute = rest / 60 % 60;
    ret->second = rest % 60;
    ret->weekday = (int)weekday;
}

int64_t civil_seconds(const struct civil *c)
{
    return civil_days(c->year, c->month, c->day) * DAY + c->hour * 3600 + c->minute * 60 + c->second;
}
