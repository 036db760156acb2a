#include "ai_test.h"
#include "builtin/language.h"

static const char *detect(const char *text)
{
    struct reader reader;
    enum lam_language language;
    const char *code;

    reader_init(&reader);
    read_text(&reader, "", text);
    code = lam_language_detect(&reader.tokens, &language);
    reader_release(&reader);
    return code ? code : "";
}

static void forty_languages_are_told_apart_by_a_sentence(void **state)
{
    static const struct {
        const char *code, *text;
    } samples[] = {
        {"en", "The parcel was delivered to the wrong house and nobody has answered my letter."},
        {"de", "Das Paket wurde an das falsche Haus geliefert und niemand hat auf meinen Brief geantwortet."},
        {"fr", "Le colis a été livré à la mauvaise maison et personne n'a répondu à ma lettre."},
        {"es", "El paquete fue entregado en la casa equivocada y nadie ha respondido a mi carta."},
        {"pt", "O pacote foi entregue na casa errada e ninguém respondeu à minha carta até agora."},
        {"it", "Il pacco è stato consegnato alla casa sbagliata e nessuno ha risposto alla mia lettera."},
        {"nl", "Het pakket is bij het verkeerde huis bezorgd en niemand heeft op mijn brief geantwoord."},
        {"sv", "Paketet levererades till fel hus och ingen har svarat på mitt brev, inte heller i dag."},
        {"da", "Pakken blev leveret til det forkerte hus, og ingen har svaret på mit brev efter den dag."},
        {"no", "Pakken ble levert til feil hus, og ingen har svart på brevet mitt etter den dagen."},
        {"fi", "Paketti toimitettiin väärään taloon, eikä kukaan ole vastannut kirjeeseeni, vaikka se on ollut siellä."},
        {"pl", "Paczka została dostarczona do złego domu i nikt nie odpowiedział na mój list, który jest ważny."},
        {"cs", "Balík byl doručen do špatného domu a nikdo mi ještě neodpověděl na dopis, který jsem poslal."},
        {"sk", "Balík bol doručený do nesprávneho domu a nikto mi ešte neodpovedal na list, ktorý som poslal."},
        {"hu", "A csomagot rossz házhoz vitték, és senki sem válaszolt a levelemre, amit már régen küldtem."},
        {"ro", "Pachetul a fost livrat la o casă greșită și nimeni nu a răspuns la scrisoarea mea până acum."},
        {"hr", "Paket je dostavljen u pogrešnu kuću i nitko nije odgovorio na pismo koje sam poslao."},
        {"sl", "Paket je bil dostavljen v napačno hišo in nihče ni odgovoril na pismo, ki sem ga poslal."},
        {"lt", "Siuntinys buvo pristatytas į ne tą namą ir niekas dar neatsakė į mano laišką."},
        {"lv", "Sūtījums tika piegādāts uz nepareizo māju, un neviens vēl nav atbildējis uz manu vēstuli."},
        {"et", "Pakk toimetati valesse majja ja keegi ei ole minu kirjale veel vastanud, kuigi see oli oluline."},
        {"tr", "Paket yanlış eve teslim edildi ve mektubuma kimse cevap vermedi, çünkü adres çok eski değil."},
        {"id", "Paket itu dikirim ke rumah yang salah dan tidak ada yang menjawab surat saya sampai hari ini."},
        {"vi", "Gói hàng đã được giao đến nhầm nhà và không ai trả lời thư của tôi cho đến nay."},
        {"ca", "El paquet es va lliurar a la casa equivocada i ningú no ha respost a la meva carta amb aquest motiu."},
        {"ru", "Посылка была доставлена не в тот дом, и никто ещё не ответил на моё письмо."},
        {"uk", "Посилка була доставлена не в той будинок, і ніхто ще не відповів на мій лист."},
        {"bg", "Пратката беше доставена в грешната къща и никой не е отговорил на писмото ми."},
        {"sr", "Пакет је достављен у погрешну кућу и нико није одговорио на моје писмо."},
        {"ar", "تم تسليم الطرد إلى المنزل الخطأ ولم يرد أحد على رسالتي حتى الآن"},
        {"fa", "بسته به خانه اشتباه تحویل داده شد و هیچ کس به نامه من پاسخ نداده است"},
        {"ur", "پارسل غلط گھر پر پہنچایا گیا اور کسی نے بھی میرے خط کا جواب نہیں دیا ہے"},
        {"hi", "पार्सल गलत घर में पहुँचा दिया गया था और किसी ने मेरे पत्र का उत्तर नहीं दिया है"},
        {"el", "Το δέμα παραδόθηκε σε λάθος σπίτι και κανείς δεν απάντησε στο γράμμα μου."},
        {"he", "החבילה נמסרה לבית הלא נכון ואיש לא ענה למכתבי."},
        {"th", "พัสดุถูกส่งไปผิดบ้านและไม่มีใครตอบจดหมายของฉัน"},
        {"ko", "소포가 잘못된 집으로 배달되었고 아무도 답장하지 않았습니다."},
        {"ja", "荷物は間違った家に届けられ、誰も私の手紙に返事をしていません。"},
        {"zh", "包裹被送到了错误的房子，没有人回复我的信。"},
        {"bn", "পার্সেলটি ভুল বাড়িতে পৌঁছে দেওয়া হয়েছিল"},
        {"ta", "பொதி தவறான வீட்டிற்கு வழங்கப்பட்டது"},
        {"ka", "ამანათი არასწორ სახლში მიიტანეს"},
        {"hy", "Ծանրոցը սխալ տուն է առաքվել"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (strcmp(detect(samples[i].text), samples[i].code))
            fail_msg("%s was taken for \"%s\": %s", samples[i].code, detect(samples[i].text), samples[i].text);
}

static void what_is_no_language_has_none(void **state)
{
    (void)state;
    assert_string_equal(detect(""), "");
    assert_string_equal(detect("12345 67 -- 8.9"), "");
    assert_string_equal(detect("xqzt wrrk plmf"), "");
    assert_string_equal(detect("😀😀"), "");
}

static void a_foreign_name_does_not_change_the_language(void **state)
{
    (void)state;
    assert_string_equal(detect("The company Łódź Żółw and Mr. Müller of São Paulo met with the minister in the city of Brno."), "en");
    assert_string_equal(detect("We bought the 日本 guide and it was not bad at all for a beginner."), "en");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forty_languages_are_told_apart_by_a_sentence),
                                       cmocka_unit_test(what_is_no_language_has_none),
                                       cmocka_unit_test(a_foreign_name_does_not_change_the_language)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
